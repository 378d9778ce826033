//go:build unix

package servicecache_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/servicecache"
)

// The test binary is also the other process. With one of these variables set it
// works on the cache in the directory that is their value.
const (
	envWriter = "MOOR_TEST_CACHE_WRITER" // writes until it is killed, prints what Put has acknowledged
	envFull   = "MOOR_TEST_CACHE_FULL"   // writes to a disk without room
	// envKills is how often the writer is killed, instead of 200 times.
	envKills = "MOOR_TEST_CACHE_KILLS"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envWriter) != "":
		child(writer(os.Getenv(envWriter)))
	case os.Getenv(envFull) != "":
		child(full(os.Getenv(envFull)))
	}
	goleak.VerifyTestMain(m)
}

func child(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const writerPeers = 3

// state returns the entry of the writer's n-th write.
func state(n int) *servicecache.Entry {
	e := entry(n%7 + 1)
	e.MTU = n
	if hash, ok := e.Profile.Hash(); ok {
		e.Hash = (*servicecache.Hash)(&hash)
	}
	return e
}

func writer(dir string) error {
	c, err := servicecache.Open(dir, nil)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(os.Getenv("MOOR_TEST_CACHE_FROM"))
	if err != nil {
		return err
	}
	for ; ; n++ {
		a := writerAddr(n % writerPeers)
		if err := c.Put(a, state(n)); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

// TestKill kills a writer at random instants. Acknowledged writes are there; another
// one left the old or the new record; no record is damaged.
func TestKill(t *testing.T) {
	kills := 200
	if testing.Short() {
		kills = 20
	}
	if v := os.Getenv(envKills); v != "" {
		var err error
		if kills, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	acked, next := map[int]int{}, 0
	for kill := range kills {
		last := runWriter(t, dir, next, time.Duration(rng.IntN(6_000))*time.Microsecond)
		for n := next; n <= last; n++ {
			acked[n%writerPeers] = n
		}
		c := open(t, dir, nil)
		for peer := range writerPeers {
			want, ever := acked[peer]
			got, ok := c.Get(writerAddr(peer))
			switch {
			case !ok && ever:
				t.Fatalf("kill %d: write %d of peer %d was acknowledged and is lost", kill, want, peer)
			case ok && got.MTU != want && got.MTU != last+1:
				t.Fatalf("kill %d: peer %d has write %d, want %d or %d", kill, peer, got.MTU, want, last+1)
			case ok && (got.MTU%writerPeers != peer || len(got.Profile.Services) != got.MTU%7+1 || *got.Hash != *state(got.MTU).Hash):
				t.Fatalf("kill %d: peer %d has a mixed record: %+v", kill, peer, got)
			}
		}
		if bad := files(t, dir, "bad"); bad != nil {
			t.Fatalf("kill %d: broken records %v", kill, bad)
		}
		// The write after the last acknowledged one may have been made.
		next = last + 1
	}
	if len(acked) != writerPeers {
		t.Errorf("only peers %v were ever written", acked)
	}
	c := open(t, dir, nil)
	if err := c.Clear(); err != nil {
		t.Error(err)
	}
	for _, folder := range []string{"peers", "tables"} {
		if left := files(t, dir, folder); left != nil {
			t.Errorf("%v are left in %s", left, folder)
		}
	}
}

// runWriter runs a writer from a number on, kills it some time after its first
// acknowledgment, and returns the last.
func runWriter(t *testing.T, dir string, from int, after time.Duration) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envWriter+"="+dir, fmt.Sprintf("MOOR_TEST_CACHE_FROM=%d", from))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = from - 1
	var once sync.Once
	var killer *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		once.Do(func() {
			killer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		})
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			break // cut off by the end
		}
		last = n
	}
	if killer == nil {
		t.Fatalf("the writer ended by itself: %v, %s", cmd.Wait(), stderr.String())
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("the writer was not killed: %v, %s", err, stderr.String())
	}
	return last
}

// TestTwoProcesses writes and reads beside another process.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		runWriter(t, dir, 0, 300*time.Millisecond)
	})
	c := open(t, dir, nil)
	mine, writes := writerAddr(100), 0
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
		}
		writes++
		put(t, c, mine, state(writes))
		wantEntry(t, c, mine, state(writes))
		for peer := range writerPeers {
			if got, ok := c.Get(writerAddr(peer)); ok && len(got.Profile.Services) != got.MTU%7+1 {
				t.Errorf("mixed record %+v", got)
			}
		}
	}
	wg.Wait()
	if bad := files(t, dir, "bad"); bad != nil || writes < 2 {
		t.Errorf("%d writes, broken records %v", writes, bad)
	}
}

// TestConcurrent uses one cache from several goroutines.
func TestConcurrent(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		c := open(t, dir, nil)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for n := range 10 {
					if err := c.Put(writerAddr(i), state(n)); err != nil {
						t.Error(err)
					}
					if got, ok := c.Get(writerAddr(i)); !ok || got.MTU != n {
						t.Errorf("got %+v, want write %d", got, n)
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestLockTimeout gives up on a lock that another process does not give back.
func TestLockTimeout(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, &servicecache.Config{LockTimeout: 20 * time.Millisecond})
	put(t, c, writerAddr(1), entry(1))
	f, err := os.Open(dir + "/lock")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(writerAddr(1), entry(2)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d (", os.Getpid())) {
		t.Errorf("got %v", err)
	}
	wantEntry(t, c, writerAddr(1), entry(1)) // readers take no lock
	wantEntry(t, open(t, dir, nil), writerAddr(1), entry(1))
}

// TestFullDisk keeps the old record when there is no room for the new one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, nil)
	put(t, c, writerAddr(0), entry(1))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envFull+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantEntry(t, c, writerAddr(0), entry(1))
	put(t, c, writerAddr(0), entry(2))
	wantEntry(t, c, writerAddr(0), entry(2))
	if got := files(t, dir, "tables"); len(got) != 1 {
		t.Errorf("tables %v, want one", got)
	}
}

// full may write no more than 100 octets to a file, the same to Put as a disk
// that fills up on the way.
func full(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	c, err := servicecache.Open(dir, nil)
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100, Max: 100}); err != nil {
		return err
	}
	switch err := c.Put(writerAddr(0), entry(2)); {
	case err == nil:
		return errors.New("put found room")
	case !errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("want EFBIG, put gave: %w", err)
	}
	return nil
}

// writerAddr is the address of the n-th peer.
func writerAddr(n int) hci.Addr {
	return hci.Addr{MAC: hci.MAC{byte(n), 0, 0, 0, 0, 0xC0}, Kind: hci.AddrRandom}
}
