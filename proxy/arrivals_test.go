package proxy_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/proxy"
)

// hostConn is a connection from a host.
type hostConn struct {
	net.Conn
	host string
}

func (h hostConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(h.host), Port: 1} }

// idle opens a connection from a host that says nothing.
func (l *lab) idle(host string) net.Conn {
	a, b := net.Pipe()
	l.pipe.conns <- hostConn{a, host}
	synctest.Wait()
	return b
}

// countClosed returns how many of the connections are closed.
func countClosed(all []net.Conn) (n int) {
	synctest.Wait()
	for _, c := range all {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			n++
		}
	}
	return n
}

// TestIdleConnections: connections that say nothing keep nobody out. A newer one takes the
// place of the oldest, and each ends after ten seconds.
func TestIdleConnections(t *testing.T) {
	for name, key := range map[string]*esphome.Key{"plain": nil, "encrypted": {1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 1, 2, proxy.Config{Key: key})
				u := l.userWithKey("first", key)
				var all []net.Conn
				for range proxy.MaxClients {
					all = append(all, l.idle("192.0.2.1"))
				}
				if n := countClosed(all); n != 0 {
					t.Errorf("%d of %d are closed", n, len(all))
				}
				for range proxy.MaxClients / 2 {
					all = append(all, l.idle("192.0.2.1"))
				}
				const half = proxy.MaxClients / 2
				if old, young := countClosed(all[:half]), countClosed(all[half:]); old != half || young != 0 {
					t.Errorf("of the %d oldest %d are closed, and of the others %d", half, old, young)
				}
				v := l.userWithKey("second", key)
				time.Sleep(9 * time.Second)
				if n := countClosed(all[half+1:]); n != 0 {
					t.Errorf("%d are closed within nine seconds", n)
				}
				time.Sleep(time.Second)
				if n := countClosed(all); n != len(all) {
					t.Errorf("%d of %d are closed after ten seconds", n, len(all))
				}
				for _, c := range []*user{u, v} {
					c.send(&esphome.SubscribeSlots{})
					c.want(slots(2, 2))
				}
			})
		})
	}
}

// TestCrowdOfOneHost: a host with many connections loses its own, not those of others.
func TestCrowdOfOneHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		other := l.idle("192.0.2.2")
		var crowd []net.Conn
		for range 2 * proxy.MaxClients {
			crowd = append(crowd, l.idle("192.0.2.1"))
		}
		if n := countClosed([]net.Conn{other}); n != 0 {
			t.Error("the connection of the other host is closed")
		}
		if n := countClosed(crowd); n != proxy.MaxClients+1 {
			t.Errorf("%d of %d are closed", n, len(crowd))
		}
	})
}

// TestTooManyClients: those that are there stay, and a further one is sent away.
func TestTooManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		l.device(1)
		var all []*user
		for range proxy.MaxClients {
			all = append(all, l.user("one"))
		}
		a, b := net.Pipe()
		l.pipe.conns <- a
		conn, err := esphome.Connect(t.Context(), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		// What it asks for in the same segment is not done.
		_ = conn.Write(&esphome.HelloRequest{Client: "further", Major: 1, Minor: 14}, connect(1, esphome.ConnectWithoutCache))
		for err == nil {
			_, err = conn.Read()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("the further client: %v", err)
		}
		conn.Close()
		time.Sleep(10 * time.Second)
		if s := l.server.Stats(); len(s.Clients) != proxy.MaxClients || len(s.Links) != 0 || s.SlotsUsed != 0 {
			t.Errorf("%d clients, links %+v, %d slots used", len(s.Clients), s.Links, s.SlotsUsed)
		}
		for _, u := range all {
			u.send(&esphome.SubscribeSlots{})
			u.want(slots(2, 2))
		}
	})
}

// cutConn breaks off after some octets have been written.
type cutConn struct {
	net.Conn
	left    int
	written int
}

func (c *cutConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(len(b), c.left)])
	c.left -= n
	c.written += n
	if err == nil && n < len(b) {
		c.Close()
		err = io.ErrShortWrite
	}
	return n, err
}

// subscribe connects a client that subscribes to everything, wants a device, and breaks off
// after some octets. It returns how many it has written.
func (l *lab) subscribe(key *esphome.Key, octets int) int {
	a, b := net.Pipe()
	l.pipe.conns <- a
	cut := &cutConn{Conn: b, left: octets}
	conn, err := esphome.Connect(l.t.Context(), cut, key)
	if err != nil {
		return cut.written
	}
	defer conn.Close()
	go func() {
		for err == nil {
			_, err = conn.Read()
		}
	}()
	_ = conn.Write(&esphome.HelloRequest{Client: "cut", Major: 1, Minor: 14}, &esphome.DeviceInfoRequest{},
		&esphome.SubscribeAdvertisements{Flags: 1}, &esphome.SubscribeSlots{}, connect(1, esphome.ConnectWithoutCache))
	synctest.Wait()
	return cut.written
}

// TestSubscribersBreakOff: a thousand clients come, break off at every octet of what they
// say, and go. Nothing of them is left: no goroutine, no slot, no memory.
func TestSubscribersBreakOff(t *testing.T) {
	for name, key := range map[string]*esphome.Key{"plain": nil, "encrypted": {1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 1, 2, proxy.Config{Key: key})
				l.device(1)
				time.Sleep(2 * time.Second)
				const unbounded = 1 << 20
				all := l.subscribe(key, unbounded)
				come := func(n int) (goroutines int, heap uint64) {
					for i := range n {
						l.subscribe(key, i%(all+1))
					}
					time.Sleep(time.Minute)
					synctest.Wait()
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					return runtime.NumGoroutine(), m.HeapAlloc
				}
				goroutines, heap := come(200)
				moreGoroutines, more := come(1000)
				if moreGoroutines != goroutines {
					t.Errorf("%d goroutines, and %d before", moreGoroutines, goroutines)
				}
				t.Logf("a client says %d octets; the heap has %d KiB, and %d KiB after 1,000 clients", all, heap>>10, more>>10)
				if more > heap+200<<10 { // 200 octets a client are too many
					t.Errorf("the heap has %d KiB, and had %d KiB before", more>>10, heap>>10)
				}
				u := l.userWithKey("last", key)
				u.send(&esphome.SubscribeSlots{})
				u.want(slots(2, 2))
			})
		})
	}
}
