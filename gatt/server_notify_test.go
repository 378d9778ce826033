package gatt_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/gatttest"
)

func TestServerNotify(t *testing.T) { synctest.Test(t, testServerNotify) }

func testServerNotify(t *testing.T) {
	srv, s, ch := serve(t, gatttest.Reference(), gatt.PeerInfo{})
	other, och := connect(t, srv, gatt.PeerInfo{})
	ctx := t.Context()
	value := bytes.Repeat([]byte{0xAB}, 40)
	for _, h := range []att.Handle{gatttest.DataValue, gatttest.CommandValue, 0xFFFF} {
		wantIs(t, s.Notify(ctx, h, value), gatt.ErrNotSubscribed)
	}
	ch.Receive("12 2400 0100")
	ch.Want("13")
	if err := s.Notify(ctx, gatttest.DataValue, value); err != nil {
		t.Error(err)
	}
	ch.Want("1b 2300" + hex.EncodeToString(value[:20]))
	wantIs(t, s.Indicate(ctx, gatttest.DataValue, value), gatt.ErrNotSubscribed)
	if n, err := srv.Notify(ctx, gatttest.DataValue, []byte{1}); n != 1 || err != nil {
		t.Errorf("sent to %d, error %v, want 1", n, err)
	}
	ch.Want("1b 2300 01")
	och.Receive("12 2400 0100")
	och.Want("13")
	if n, err := srv.Notify(ctx, gatttest.DataValue, []byte{2}); n != 2 || err != nil {
		t.Errorf("sent to %d, error %v, want 2", n, err)
	}
	ch.Want("1b 2300 02")
	och.Want("1b 2300 02")
	och.Disconnect(nil)
	if err := other.Notify(ctx, gatttest.DataValue, []byte{3}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the link: error %v, want net.ErrClosed", err)
	}
	if n, err := srv.Notify(ctx, gatttest.DataValue, []byte{3}); n != 1 || err != nil {
		t.Errorf("sent to %d, error %v, want 1", n, err)
	}
	ch.Want("1b 2300 03")
	ch.Receive("12 2400 0000")
	ch.Want("13")
	if n, err := srv.Notify(ctx, gatttest.DataValue, []byte{4}); n != 0 || err != nil {
		t.Errorf("sent to %d, error %v, want 0", n, err)
	}
	ch.WantIdle()
}

// A value that waits for room is not sent to a client that has unsubscribed.
func TestServerNotifyIsPaced(t *testing.T) { synctest.Test(t, testServerNotifyIsPaced) }

func testServerNotifyIsPaced(t *testing.T) {
	_, s, ch := serve(t, gatttest.Reference(), gatt.PeerInfo{})
	ch.Receive("12 2400 0100")
	ch.Want("13")
	ch.SetFull(true)
	sent := make(chan error, 1)
	notify := func(ctx context.Context) { sent <- s.Notify(ctx, gatttest.DataValue, []byte{1}) }
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	go notify(ctx)
	if err := <-sent; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
		t.Errorf("error %v after %v, want the end of the context after 1s", err, time.Since(start))
	}
	go notify(t.Context())
	synctest.Wait()
	ch.SetFull(false)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	ch.Want("1b 2300 01")

	ch.SetFull(true)
	go notify(t.Context())
	synctest.Wait()
	ch.Receive("12 2400 0000")
	ch.SetFull(false)
	wantIs(t, <-sent, gatt.ErrNotSubscribed)
	ch.Want("13")
	ch.WantIdle()

	ch.Receive("12 2400 0100")
	ch.SetFull(true)
	go notify(t.Context())
	synctest.Wait()
	ch.Disconnect(nil)
	if err := <-sent; !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want net.ErrClosed", err)
	}
}

// After the end of the link the error is its cause, for any subscription.
func TestServerSendsAfterTheLink(t *testing.T) { synctest.Test(t, testServerSendsAfterTheLink) }

func testServerSendsAfterTheLink(t *testing.T) {
	srv, s, ch := serve(t, gatttest.Reference(), gatt.PeerInfo{})
	ch.Receive("12 2400 0100", "12 2700 0200")
	ch.Want("13", "13")
	why := errors.New("out of range")
	ch.Disconnect(why)
	ctx := t.Context()
	for _, h := range []att.Handle{gatttest.DataValue, gatttest.EventValue, gatttest.CommandValue} {
		for name, err := range map[string]error{
			"notify":   s.Notify(ctx, h, []byte{1}),
			"indicate": s.Indicate(ctx, h, []byte{1}),
			"multiple": s.NotifyMultiple(ctx, []att.AttributeData{{Handle: h}, {Handle: gatttest.DataValue}}),
		} {
			if !errors.Is(err, why) || !errors.Is(err, net.ErrClosed) || errors.Is(err, gatt.ErrNotSubscribed) {
				t.Errorf("%s %v: error %v, want %v", name, h, err, why)
			}
		}
	}
	// The server has no such client any more.
	if n, err := srv.Notify(ctx, gatttest.DataValue, []byte{1}); n != 0 || err != nil {
		t.Errorf("sent to %d, error %v, want 0", n, err)
	}
}

// A sender that learns of the end of the bearer finds it in every method.
func TestServerSendsAfterAFailure(t *testing.T) { synctest.Test(t, testServerSendsAfterAFailure) }

func testServerSendsAfterAFailure(t *testing.T) {
	for range 50 {
		srv, s, ch := serve(t, gatttest.Reference(), gatt.PeerInfo{})
		ch.Receive("12 2700 0200")
		ch.Want("13")
		err := s.Indicate(t.Context(), gatttest.EventValue, []byte{1})
		if !errors.Is(err, att.ErrTransactionTimeout) {
			t.Fatalf("error %v, want a timeout", err)
		}
		if err := s.Notify(t.Context(), gatttest.DataValue, []byte{2}); !errors.Is(err, att.ErrTransactionTimeout) {
			t.Fatalf("error %v, want that of the first", err)
		}
		if n, err := srv.Indicate(t.Context(), gatttest.EventValue, []byte{3}); n != 0 || err != nil {
			t.Fatalf("sent to %d, error %v: there is no client any more", n, err)
		}
	}
}

func TestServerIndicate(t *testing.T) { synctest.Test(t, testServerIndicate) }

func testServerIndicate(t *testing.T) {
	srv, s, ch := serve(t, gatttest.Reference(), gatt.PeerInfo{})
	ch.Receive("12 2700 0200")
	ch.Want("13")
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 2)
	go func() {
		n, err := srv.Indicate(t.Context(), gatttest.EventValue, []byte{1})
		done <- result{n, err}
	}()
	ch.Want("1d 2600 01")
	go func() { done <- result{-1, s.Indicate(t.Context(), gatttest.EventValue, []byte{2})} }()
	ch.WantIdle() // one at a time
	ch.Receive("1e")
	if r := <-done; r != (result{1, nil}) {
		t.Errorf("result %v, want one confirmation", r)
	}
	ch.Want("1d 2600 02")
	start := time.Now()
	if r := <-done; !errors.Is(r.err, att.ErrTransactionTimeout) || time.Since(start) != 30*time.Second {
		t.Errorf("result %v after %v, want a timeout after 30s", r, time.Since(start))
	}
	if err := ch.Closed(); !errors.Is(err, att.ErrTransactionTimeout) {
		t.Errorf("link closed with %v, want the timeout", err)
	}
}

func TestServerNotifyMultiple(t *testing.T) { synctest.Test(t, testServerNotifyMultiple) }

func testServerNotifyMultiple(t *testing.T) {
	_, s, ch := serve(t, gatttest.Reference(), gatt.PeerInfo{})
	values := []att.AttributeData{
		{Handle: gatttest.BatteryLevel, Value: []byte{50}},
		{Handle: gatttest.DataValue, Value: []byte("abcdef")},
		{Handle: gatttest.LogValue, Value: []byte("0123456789")},
		{Handle: gatttest.DataValue, Value: []byte("g")},
	}
	ch.Receive("12 1e00 0100", "12 2400 0100")
	ch.Want("13", "13")
	wantIs(t, s.NotifyMultiple(t.Context(), values), gatt.ErrNotSubscribed)
	ch.Receive("12 2c00 0100")
	ch.Want("13")
	if err := s.NotifyMultiple(t.Context(), values); err != nil {
		t.Error(err)
	}
	ch.Want("1b 1d00 32", "1b 2300 616263646566", "1b 2b00 30313233343536373839", "1b 2300 67")
	ch.Receive("12 0b00 04") // it can take several
	ch.Want("13")
	if err := s.NotifyMultiple(t.Context(), values); err != nil {
		t.Error(err)
	}
	ch.Want("23 1d00 0100 32 2300 0600 616263646566", "23 2b00 0a00 30313233343536373839 2300 0100 67")
	if err := s.NotifyMultiple(t.Context(), values[:1]); err != nil {
		t.Error(err)
	}
	ch.Want("1b 1d00 32")
	ch.WantIdle()
}

// Clients, senders and changes of the table act concurrently, on several loops;
// each request is answered, and at the end every client is served as before.
func TestServerConcurrently(t *testing.T) { synctest.Test(t, testServerConcurrently) }

func testServerConcurrently(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	var wg sync.WaitGroup
	for range 3 {
		_, ch := connect(t, srv, gatt.PeerInfo{})
		wg.Go(func() {
			for range 100 {
				ch.Receive("12 0b00 01", "12 1e00 0100", "16 1e00 0000 01", "18 01", "08 0100 ffff 2a2b", "0a 1d00")
			}
		})
	}
	wg.Go(func() {
		for i := range 50 {
			if err := srv.SetServices(t.Context(), gatttest.Reference().Services[:2+i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 100 {
			if _, err := srv.Notify(t.Context(), gatttest.BatteryLevel, []byte{1}); err != nil {
				t.Error(err)
			}
			if err := srv.SetValue(gatttest.BatteryLevel, []byte{2}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	_, ch := connect(t, srv, gatt.PeerInfo{})
	ch.Receive("12 1e00 0100")
	ch.Want("13")
	if _, err := srv.Notify(t.Context(), gatttest.BatteryLevel, []byte{3}); err != nil {
		t.Error(err)
	}
	ch.Want("1b 1d00 03")
}

// TestSetAndNotify sets the value for later readers and sends it to a subscriber.
func TestSetAndNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, ch := serve(t, gatttest.Reference(), gatt.PeerInfo{})
		if n, err := srv.SetAndNotify(t.Context(), gatttest.LogValue, []byte{7}); n != 0 || err != nil {
			t.Errorf("nobody has subscribed: %d, %v", n, err)
		}
		ch.Receive("12 2c00 0100")
		ch.Want("13")
		if n, err := srv.SetAndNotify(t.Context(), gatttest.LogValue, []byte{8, 9}); n != 1 || err != nil {
			t.Errorf("sent to %d, error %v, want 1", n, err)
		}
		ch.Want("1b 2b00 0809")
		ch.Receive("0a 2b00")
		ch.Want("0b 0809")
		if n, err := srv.SetAndNotify(t.Context(), 0xFFFF, []byte{1}); n != 0 || err == nil {
			t.Errorf("no such attribute: %d, %v", n, err)
		}
		ch.WantIdle()
	})
}
