//go:build kernel

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// patience bounds every wait for a program other than moor.
const patience = 5 * time.Minute

// eventually calls done until it returns true. It fails the test after patience.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			diagnose(t)
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// logFile opens the log file of a program, which its runs share.
func logFile(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(os.Getenv("MOOR_LOGS"), name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

// daemon is a program that runs until the test ends.
type daemon struct {
	stop   func()                // ends it
	signal func(os.Signal) error // sends it a signal
	ended  chan struct{}         // closed when it has ended
}

// startDaemon starts a daemon. The test's log tells if it ends by itself.
func startDaemon(t *testing.T, name string, args ...string) *daemon {
	t.Helper()
	log, err := logFile(filepath.Base(name) + ".log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{signal: cmd.Process.Signal, ended: make(chan struct{})}
	var stopped atomic.Bool
	go func() {
		defer close(d.ended)
		err := cmd.Wait()
		if !stopped.Load() {
			t.Logf("%s has ended by itself: %v", filepath.Base(name), err)
		}
	}()
	d.stop = sync.OnceFunc(func() {
		stopped.Store(true)
		_ = cmd.Process.Kill()
		<-d.ended
		_ = log.Close()
	})
	t.Cleanup(d.stop)
	return d
}

func adapters() []string {
	found, _ := filepath.Glob("/sys/class/bluetooth/hci?")
	return found
}

// startAir starts two controllers.
func startAir(t *testing.T) (stop func()) {
	t.Helper()
	return startControllers(t, 2)
}

// startControllers starts btvirt: n controllers on one air, each with a single
// buffer of 192 octets. They end with the test or when stop is called. If the
// kernel is quick, btvirt takes the kernel's first command for the answer to its
// own request. Such an adapter never works ("Opcode 0x0c03 failed: -110"):
// startControllers then starts btvirt again.
func startControllers(t *testing.T, n int) (stop func()) {
	t.Helper()
	gone := func() {
		t.Helper()
		eventually(t, "btvirt's adapters go", func() bool { return len(adapters()) == 0 })
	}
	gone() // those of a test before would be taken for the new ones
	t.Cleanup(gone)
	for range 5 {
		btvirt := startDaemon(t, "btvirt", fmt.Sprintf("-l%d", n), "-L")
		stop = func() {
			t.Helper()
			btvirt.stop()
			gone()
		}
		for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if setUp() == n {
				return stop
			}
		}
		stop()
	}
	t.Fatalf("btvirt and the kernel do not come together on %d adapters", n)
	return nil
}

// setUp returns the number of adapters that the kernel has begun to set up: those
// whose address it has read.
func setUp() int {
	found, err := hcisock.Adapters()
	if err != nil {
		return 0
	}
	n := 0
	for _, a := range found {
		if a.MAC != (hci.MAC{}) {
			n++
		}
	}
	return n
}

// shell is a bluetoothctl whose input the test types.
type shell struct {
	cmd        *exec.Cmd
	in         io.Writer
	stop       func() // ends it
	bluetoothd *daemon

	mu  sync.Mutex
	out bytes.Buffer
}

var terminal = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]|\r|\x01|\x02`)

func (s *shell) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *shell) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(terminal.ReplaceAll(s.out.Bytes(), nil))
}

func startShell(t *testing.T, bluetoothd *daemon) *shell {
	t.Helper()
	s := &shell{cmd: exec.Command("bluetoothctl"), bluetoothd: bluetoothd}
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in, s.cmd.Stdout, s.cmd.Stderr = in, s, s
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stop = sync.OnceFunc(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
		if log, err := logFile("bluetoothctl.log"); err == nil {
			_, _ = io.WriteString(log, s.said())
			_ = log.Close()
		}
	})
	t.Cleanup(s.stop)
	return s
}

// expect waits until the output after offset from contains want.
func (s *shell) expect(t *testing.T, from int, want string) {
	t.Helper()
	eventually(t, "bluetoothctl says "+want, func() bool {
		said := s.said()
		if from <= len(said) && strings.Contains(said[from:], want) {
			return true
		}
		select {
		case <-s.bluetoothd.ended:
			diagnose(t)
			t.Fatalf("bluetoothd ended before bluetoothctl said %q", want)
		default:
		}
		return false
	})
}

// say types a line and waits until the output after it contains want.
func (s *shell) say(t *testing.T, line, want string) {
	t.Helper()
	from := len(s.said())
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	s.expect(t, from, want)
}

// hears makes bluetoothd discover until it knows the address of the device. btvirt
// reports a device once at the start of a scan, a report that the kernel drops if
// its discovery has not begun, and again when the device begins to advertise.
func (s *shell) hears(t *testing.T, device *host.Host, address string) {
	t.Helper()
	s.say(t, "scan on", "Discovery started")
	eventually(t, "bluetoothd hears "+address, func() bool {
		if s.knows(t, address) {
			return true
		}
		conntest.Advertise(t, device)
		return false
	})
}

// ask types a line and returns the output up to the answer to a second line.
// Unsolicited output of bluetoothctl may stand in between, with its own prompt.
func (s *shell) ask(t *testing.T, line string) string {
	t.Helper()
	from := len(s.said())
	s.say(t, line+"\nversion", "\nVersion ")
	return s.said()[from:]
}

// knows reports whether bluetoothd knows a device.
func (s *shell) knows(t *testing.T, address string) bool {
	t.Helper()
	return strings.Contains(s.ask(t, "devices"), "\nDevice "+address)
}

// Addresses that btvirt gives its controllers.
const (
	ourAddress  = "00:AA:01:00:00:00"
	peerAddress = "00:AA:01:01:00:01"
)

const peerName = "moor-bluez"

// startPeer makes bluetoothd a GATT server on hci1 that advertises. hci0 is left
// down.
func startPeer(t *testing.T) (*shell, *server) {
	t.Helper()
	startBus(t)
	s, _ := startBlueZ(t)
	return s, startServer(t, "")
}

// startBus starts the system bus for a bluetoothd that knows no device: a bond that it had
// from another test would make it demand a key.
func startBus(t *testing.T) {
	t.Helper()
	kept, err := filepath.Glob("/var/lib/bluetooth/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range kept {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("/run/dbus", 0o755); err != nil {
		t.Fatal(err)
	}
	const socket = "/run/dbus/system_bus_socket"
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) { // of a bus before
		t.Fatal(err)
	}
	startDaemon(t, "dbus-daemon", "--system", "--nofork", "--nopidfile")
	eventually(t, "the system bus", func() bool {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// startBlueZ starts bluetoothd, with more lines in its main.conf, and a bluetoothctl for
// hci1, which it powers on. stop ends both.
func startBlueZ(t *testing.T, lines ...string) (s *shell, stop func()) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "main.conf")
	if err := os.WriteFile(conf, []byte("[General]\nName = "+peerName+"\n[Policy]\nAutoEnable=false\n"+strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	bluetoothd := startDaemon(t, "/usr/libexec/bluetooth/bluetoothd", "-n", "-d", "-f", conf)
	s = startShell(t, bluetoothd)
	eventually(t, "bluetoothctl knows hci1", func() bool {
		_, err := io.WriteString(s.in, "list\n")
		return err == nil && strings.Contains(s.said(), "Controller "+peerAddress)
	})
	s.ask(t, "select "+peerAddress)
	s.say(t, "power on", "Changing power on succeeded")
	return s, func() {
		t.Helper()
		s.stop()
		bluetoothd.stop()
	}
}

// onHCI0 returns moor on hci0, whose commands wait until their peer is ready.
func onHCI0(t *testing.T, ready func(t *testing.T), args ...string) *moortest.Moor {
	t.Helper()
	m := moortest.New(t, append([]string{"--adapter", "hci0"}, args...)...)
	m.Ready = ready
	return m
}
