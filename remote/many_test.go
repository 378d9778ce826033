package remote_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// mixed is a Manager with one local adapter of four slots and two proxies of three.
func mixed(t *testing.T) (l *lab, m *connmgr.Manager, boards []*board) {
	l = newLab(t)
	boards = []*board{l.board("attic", 3, nil), l.board("cellar", 3, nil)}
	l.air.NewController(&sim.ControllerConfig{Name: "hci7"})
	m = l.manager(connmgr.Config{
		Adapters: []string{"hci7", "esphome:attic", "esphome:cellar"}, Slots: map[string]int{"hci7": 4},
	})
	time.Sleep(3 * time.Second) // until all are up
	return l, m, boards
}

// TestTwentyDevices: twenty devices are served over ten slots of a local adapter and two
// proxies, three times each.
func TestTwentyDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, m, boards := mixed(t)
		for n := range 20 {
			l.device(byte(n + 1))
		}
		var mu sync.Mutex
		used := map[string]int{}
		now, most := map[string]int{}, map[string]int{}
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				for range 3 {
					c, err := m.Establish(within(t, 5*time.Minute), addrOf(byte(n+1)).String(), nil)
					if err != nil {
						t.Errorf("device %d: %v", n+1, err)
						return
					}
					mu.Lock()
					used[c.Adapter()]++
					now[c.Adapter()]++
					most[c.Adapter()] = max(most[c.Adapter()], now[c.Adapter()])
					mu.Unlock()
					if v, err := c.Read(t.Context(), battery, level); err != nil || v[0] != byte(n+1) {
						t.Errorf("device %d: read %x, %v", n+1, v, err)
					}
					time.Sleep(2 * time.Second)
					mu.Lock()
					now[c.Adapter()]--
					mu.Unlock()
					if err := c.Close(); err != nil {
						t.Errorf("device %d: %v", n+1, err)
					}
				}
			})
		}
		all.Wait()
		t.Log("links by adapter", used, "at a time", most)
		if want := map[string]int{"hci7": 4, "esphome:attic": 3, "esphome:cellar": 3}; !maps.Equal(most, want) {
			t.Errorf("links at a time %v, want %v", most, want)
		}
		for _, b := range boards {
			if n := len(b.m.Adapters()[0].Controller().Links()); n != 0 {
				t.Errorf("%s keeps %d links", b.name, n)
			}
		}
	})
}

// TestProxyRestarts: a proxy is killed and started again in the midst of kept connections. The
// devices move to other adapters, and the proxy is used again.
func TestProxyRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, m, boards := mixed(t)
		var kept []*connmgr.Kept
		for n := range 9 {
			l.device(byte(n + 1))
			k, err := m.Keep(within(t, time.Hour), addrOf(byte(n+1)).String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, k)
		}
		up := func() (n int, by map[string]int) {
			by = map[string]int{}
			for _, k := range kept {
				if c := k.Client(); c != nil && c.Err() == nil {
					n++
					by[c.Adapter()]++
				}
			}
			return n, by
		}
		time.Sleep(30 * time.Second)
		if n, by := up(); n != 9 || by["esphome:attic"] == 0 {
			t.Fatalf("%d are up: %v", n, by)
		}
		boards[0].stop()
		time.Sleep(30 * time.Second)
		if n, by := up(); n != 7 || by["esphome:attic"] != 0 {
			t.Errorf("%d are up without the proxy: %v", n, by)
		}
		if state, err := m.Adapter("esphome:attic").State(); state == connmgr.AdapterUp || err == nil {
			t.Errorf("the adapter is %v, %v", state, err)
		}
		boards[0].start()
		time.Sleep(time.Minute)
		if n, by := up(); n != 9 || by["esphome:attic"] == 0 {
			t.Errorf("%d are up: %v", n, by)
		}
	})
}

// faulty is a connection with faults: octets arrive late, and the connection is cut in the
// midst of a write.
type faulty struct {
	net.Conn
	random func(n int) int
	left   atomic.Int64 // octets until the cut; negative for no cut
	queue  chan []byte
	once   sync.Once
	done   chan struct{}
}

func newFaulty(c net.Conn, left int64, random func(n int) int) *faulty {
	f := &faulty{Conn: c, random: random, queue: make(chan []byte, 1<<12), done: make(chan struct{})}
	f.left.Store(left)
	go func() {
		for {
			select {
			case b := <-f.queue:
				f.pause()
				if _, err := f.Conn.Write(b); err != nil {
					f.Close()
					return
				}
			case <-f.done:
				return
			}
		}
	}()
	return f
}

// pause waits for the delay, or until the connection is closed.
func (f *faulty) pause() {
	select {
	case <-time.After(time.Duration(f.random(int(40 * time.Millisecond)))):
	case <-f.done:
	}
}

func (f *faulty) Read(b []byte) (int, error) {
	f.pause()
	n, err := f.Conn.Read(b[:min(len(b), 1+f.random(len(b)))])
	return n, f.count(n, err)
}

func (f *faulty) count(n int, err error) error {
	if left := f.left.Add(-int64(n)); left < 0 && left > -1<<40 {
		f.Close() // half of a frame has gone
		return errors.New("cut")
	}
	return err
}

func (f *faulty) Write(b []byte) (int, error) {
	n := len(b)
	if left := f.left.Load(); left >= 0 && int64(n) > left {
		n = int(left)
	}
	select {
	case f.queue <- append([]byte(nil), b[:n]...):
	case <-f.done:
		return 0, net.ErrClosed
	}
	return len(b), f.count(len(b), nil)
}

func (f *faulty) Close() error {
	f.once.Do(func() { close(f.done) })
	return f.Conn.Close()
}

// TestFaultyNetwork: the network delays octets and cuts connections in the midst of frames.
// Every read gives the value of its device or an error, and once the network is whole, all
// devices are served.
func TestFaultyNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.board("attic", 6, nil)
		for n := range 4 {
			l.device(byte(n + 1))
		}
		var mu sync.Mutex
		seeded := rand.New(rand.NewPCG(1, 2))
		random := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return seeded.IntN(n)
		}
		var whole atomic.Bool
		var cuts atomic.Int64
		l.wrap = func(c net.Conn) net.Conn {
			if whole.Load() {
				return newFaulty(c, -1<<50, random)
			}
			cuts.Add(1)
			return newFaulty(c, int64(700+random(6000)), random)
		}
		var m *connmgr.Manager
		for m == nil {
			m, _ = l.tryManager(connmgr.Config{Adapters: []string{"esphome:attic"}}, nil)
		}
		var reads atomic.Int64
		stop, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				for stop.Err() == nil {
					c, err := m.Establish(stop, addrOf(byte(n+1)).String(), nil)
					if err != nil {
						continue
					}
					for stop.Err() == nil {
						v, err := c.Read(stop, battery, level)
						if err != nil {
							break
						}
						if len(v) != 1 || v[0] != byte(n+1) {
							t.Errorf("device %d: read %x", n+1, v)
						}
						reads.Add(1)
						time.Sleep(500 * time.Millisecond)
					}
					c.Close()
				}
			})
		}
		time.Sleep(5 * time.Minute)
		t.Logf("%d connections, %d reads", cuts.Load(), reads.Load())
		if cuts.Load() < 5 || reads.Load() < 50 {
			t.Errorf("%d connections, %d reads", cuts.Load(), reads.Load())
		}
		whole.Store(true)
		time.Sleep(2 * time.Minute)
		cancel()
		all.Wait()
		for n := range 4 {
			c, err := m.Establish(within(t, time.Minute), addrOf(byte(n+1)).String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := c.Read(t.Context(), battery, level); err != nil || !bytes.Equal(v, []byte{byte(n + 1)}) {
				t.Errorf("device %d: read %x, %v", n+1, v, err)
			}
			c.Close()
		}
	})
}

// TestThreePrograms: three programs share one controller through a proxy. Each has its
// devices, and one that leaves gives its slots back.
func TestThreePrograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.board("attic", 3, nil)
		var programs []*connmgr.Manager
		var clients []*connmgr.Client
		for n := range 3 {
			l.device(byte(n + 1))
			m := l.manager(connmgr.Config{Adapters: []string{"esphome:attic"}})
			c, err := m.Establish(within(t, 30*time.Second), addrOf(byte(n+1)).String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			programs, clients = append(programs, m), append(clients, c)
		}
		for n, c := range clients {
			if v, err := c.Read(t.Context(), battery, level); err != nil || v[0] != byte(n+1) {
				t.Errorf("read %x, %v", v, err)
			}
			if u := programs[n].Slots().Usage("esphome:attic"); u.Slots != 1 || u.Free != 0 {
				t.Errorf("program %d sees %+v", n, u)
			}
		}
		if err := programs[0].Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if u := programs[1].Slots().Usage("esphome:attic"); u.Slots != 2 || u.Free != 1 {
			t.Errorf("program 1 sees %+v", u)
		}
		c, err := programs[1].Establish(within(t, 30*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := programs[2].Establish(within(t, 5*time.Second), addrOf(1).String(), nil); err == nil {
			t.Error("two programs have one device")
		}
	})
}
