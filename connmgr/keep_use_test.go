package connmgr_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
)

// With KeepOptions.Idle there is a link for work only.
func TestKeepForWorkOnly(t *testing.T) { inBubble(t, testKeepForWorkOnly) }

func testKeepForWorkOnly(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	k := l.keep(1, &connmgr.KeepOptions{Idle: 5 * second})
	sub := k.Subscribe(battery, level, nil)
	time.Sleep(10 * second)
	l.wantNoSlots()
	read := func(c *connmgr.Client) error {
		_, err := c.Read(t.Context(), battery, level)
		return err
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := k.Do(t.Context(), read); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	time.Sleep(3 * second)
	if err := k.Do(t.Context(), func(*connmgr.Client) error { time.Sleep(20 * second); return nil }); err != nil {
		t.Error(err)
	}
	time.Sleep(10 * second)
	k.wantStates("0.0s idle", "10.0s connecting", "10.2s ready", "38.2s idle")
	k.wantCounts(1, 1, 0, 1)
	wantInterruptions(t, sub, "no work")
	l.wantNoSlots()
	// Work for a device that is away fails, once, and is paced.
	l.air.SetAway(p, true)
	var e *connmgr.UnkeptError
	for range 2 {
		if err := k.Do(t.Context(), read); !errors.As(err, &e) || !errors.Is(err, connmgr.ErrNotFound) {
			t.Errorf("%v, want an UnkeptError", err)
		}
	}
	synctest.Wait()
	if s := k.Status(); s.State != connmgr.KeepIdle || s.Failures != 2 || s.Establishes != 1 {
		t.Errorf("status %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*second)
	defer cancel()
	if err := k.Do(ctx, read); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, connmgr.ErrNotFound) {
		t.Errorf("%v, want the end of the context and the reason", err)
	}
	k.Close()
	if _, err := sub.Next(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The set-up of the program is a part of each attempt.
func TestKeepSetUp(t *testing.T) { inBubble(t, testKeepSetUp) }

func testKeepSetUp(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.sensorAt(1, 100*time.Millisecond, endsLinks(time.Minute, 0))
	var calls atomic.Int32
	errUnlock := errors.New("unlock refused")
	k := l.keep(1, &connmgr.KeepOptions{Options: connmgr.Options{Ready: func(context.Context, *connmgr.Client) error {
		if calls.Add(1) < 3 {
			return errUnlock
		}
		return nil
	}}})
	time.Sleep(90 * second)
	if n := calls.Load(); n != 4 {
		t.Errorf("%d calls of Ready, want 2 that fail, and one for each link", n)
	}
	k.wantCounts(4, 2, 1, 0)
}

// Two Keeps and an Establish share one link, which lasts as long as any of them.
func TestKeepsShareALink(t *testing.T) { inBubble(t, testKeepsShareALink) }

func testKeepsShareALink(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	a, b := l.keep(1, nil), l.keep(1, &connmgr.KeepOptions{Idle: 10 * second})
	other := b.Subscribe(battery, level, nil)
	if err := b.Do(t.Context(), func(*connmgr.Client) error { return nil }); err != nil {
		t.Fatal(err)
	}
	c := l.establish(1, nil)
	a.await(connmgr.KeepReady)
	h, _ := p.Server().Handle(battery, level)
	if n, err := p.Server().Notify(t.Context(), h, []byte{0x42}); err != nil || n != 1 {
		t.Errorf("notified %d, %v", n, err)
	}
	time.Sleep(11 * second)
	if s := b.Status(); s.State != connmgr.KeepIdle || s.Rests != 1 || c.Err() != nil {
		t.Errorf("status %+v, the link %v", s, c.Err())
	}
	wantInterruptions(t, other, "value 42", "no work")
	if n, err := p.Server().Notify(t.Context(), h, []byte{0x43}); err != nil || n != 0 {
		t.Errorf("notified %d, %v; want nobody subscribed", n, err)
	}
	a.Close()
	if l.wantLevel(c, 1); c.Err() != nil {
		t.Error(c.Err())
	}
	c.Close()
	l.wantNoSlots()
	a.wantCounts(1, 1, 0, 0)
}
