package gatt_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// levels returns a server with one value that notifies, with handle 3 and its
// configuration at handle 4.
func levels(queue int, wait bool) *gatt.ServerConfig {
	return &gatt.ServerConfig{DisableGAP: true, DisableGATT: true, Services: []gatt.ServiceDef{{
		UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A19), Properties: gatt.PropNotify, NotifyQueue: queue, NotifyWait: wait,
		}},
	}}}
}

// twoClients returns two clients that have subscribed.
func twoClients(t *testing.T, srv *gatt.Server) (slow, fast *gatt.Session, slowCh, fastCh *atttest.Channel) {
	t.Helper()
	slow, slowCh = connect(t, srv, gatt.PeerInfo{})
	fast, fastCh = connect(t, srv, gatt.PeerInfo{})
	for _, ch := range []*atttest.Channel{slowCh, fastCh} {
		ch.Receive("12 0400 0100")
		ch.Want("13")
	}
	return slow, fast, slowCh, fastCh
}

// addSubscriber adds a client that has subscribed, and takes all values.
func addSubscriber(t *testing.T, srv *gatt.Server) *gatt.Session {
	t.Helper()
	s := srv.NewSession(gatt.PeerInfo{})
	ch := atttest.New(t, func([]byte) [][]byte { return nil })
	b := att.NewBearer(ch, &att.Config{Requests: s})
	ch.Attach(b)
	ch.Do(func(now time.Time) { s.Bind(now, b) })
	ch.Receive("12 0400 0100")
	return s
}

// wantLevels fails the test unless the values from first to last are the next PDUs, and
// the only ones.
func wantLevels(t *testing.T, ch *atttest.Channel, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		ch.Want(fmt.Sprintf("1b 0300 %02x", i))
	}
	ch.WantIdle()
}

func TestSlowClientLosesTheOldestValues(t *testing.T) {
	for _, c := range []struct{ queue, keeps int }{{0, 16}, {3, 3}, {-1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			srv := newServer(t, levels(c.queue, false))
			slow, fast, slowCh, fastCh := twoClients(t, srv)
			slowCh.SetFull(true)
			for i := 1; i <= 20; i++ {
				if n, err := srv.Notify(t.Context(), 3, []byte{byte(i)}); n != 2 || err != nil {
					t.Fatalf("value %d: queued for %d, error %v, want 2", i, n, err)
				}
				synctest.Wait()
			}
			wantLevels(t, fastCh, 1, 20)
			slowCh.WantIdle()
			slowCh.SetFull(false)
			wantLevels(t, slowCh, 21-c.keeps, 20)
			if s, f := slow.DroppedValues(), fast.DroppedValues(); s != uint64(20-c.keeps) || f != 0 {
				t.Errorf("dropped %d of the slow client and %d of the fast one, want %d and none", s, f, 20-c.keeps)
			}
		})
	}
}

func TestNotifyWaitsForTheSlowestClient(t *testing.T) { synctest.Test(t, testNotifyWaits) }

func testNotifyWaits(t *testing.T) {
	srv := newServer(t, levels(2, true))
	slow, _, slowCh, fastCh := twoClients(t, srv)
	slowCh.SetFull(true)
	sent := make(chan int, 1)
	go func() {
		for i := 1; i <= 3; i++ {
			if _, err := srv.Notify(t.Context(), 3, []byte{byte(i)}); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond) // the loops take the value
		}
		sent <- 3
	}()
	time.Sleep(time.Second)
	wantLevels(t, fastCh, 1, 2)
	if len(sent) != 0 {
		t.Error("the third value did not wait")
	}
	slowCh.SetFull(false)
	wantLevels(t, slowCh, 1, 3)
	wantLevels(t, fastCh, 3, 3)
	if <-sent; slow.DroppedValues() != 0 {
		t.Errorf("%d values dropped, want none", slow.DroppedValues())
	}
}

// Callers at once get the room of a queue one by one.
func TestNotifyWaitsWithManyCallers(t *testing.T) {
	srv := newServer(t, levels(1, true))
	sessions := []*gatt.Session{addSubscriber(t, srv), addSubscriber(t, srv)}
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for range 4000 {
				if n, err := srv.Notify(t.Context(), 3, []byte{1}); n != 2 || err != nil {
					t.Errorf("queued for %d, error %v, want 2", n, err)
				}
			}
		})
	}
	calls.Wait()
	for _, s := range sessions {
		if n := s.DroppedValues(); n != 0 {
			t.Errorf("%d values dropped, want none", n)
		}
	}
}

// TestNotifyWaitsForTheFastestClient has all clients full: the caller waits until one has
// room, goes away, or until the context ends.
func TestNotifyWaitsForTheFastestClient(t *testing.T) {
	for _, end := range []string{"room", "link", "unsubscribed", "context"} {
		synctest.Test(t, func(t *testing.T) {
			srv := newServer(t, levels(1, false))
			_, _, a, b := twoClients(t, srv)
			a.SetFull(true)
			b.SetFull(true)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if n, err := srv.Notify(ctx, 3, []byte{1}); n != 2 || err != nil {
				t.Fatalf("queued for %d, error %v", n, err)
			}
			result := make(chan error, 1)
			go func() {
				_, err := srv.Notify(ctx, 3, []byte{2})
				result <- err
			}()
			time.Sleep(time.Second)
			if len(result) != 0 {
				t.Fatal("did not wait")
			}
			switch end {
			case "room":
				a.SetFull(false)
			case "link":
				a.Disconnect(nil)
				b.Disconnect(nil)
			case "unsubscribed":
				a.Receive("12 0400 0000")
				b.Receive("12 0400 0000")
			case "context":
				cancel()
			}
			if err := <-result; (end == "context") != errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v", end, err)
			}
		})
	}
}

// TestNotifyAllocations limits the allocations of a value for several clients: a list of
// more than eight sessions.
func TestNotifyAllocations(t *testing.T) {
	for _, c := range []struct {
		clients int
		most    float64
	}{{1, 0}, {2, 0}, {8, 0}, {12, 1}} {
		srv := newServer(t, levels(0, false))
		for range c.clients {
			addSubscriber(t, srv)
		}
		value := make([]byte, 20)
		n := testing.AllocsPerRun(500, func() {
			if n, err := srv.Notify(context.Background(), 3, value); n != c.clients || err != nil {
				t.Fatalf("queued for %d, error %v", n, err)
			}
		})
		if n > c.most {
			t.Errorf("%d clients: %v allocations, want at most %v", c.clients, n, c.most)
		}
	}
}
