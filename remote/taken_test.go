package remote_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/remote"
)

// TestInUse: a device that another client of the proxy has.
func TestInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{answer: refuse(0x85)})
		f.held[fakeAddress] = true
		_, err := l.fakeManager().Establish(within(t, 60*time.Second), addrOf(1).String(), nil)
		if !errors.Is(err, remote.ErrInUse) {
			t.Errorf("got %v", err)
		}
	})
}

// TestTaken: a proxy that serves another client does not confirm the subscription, at once or
// after it has fallen silent.
func TestTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{mute: true})
		begin := time.Now()
		if _, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:fake"}}, nil); !errors.Is(err, remote.ErrTaken) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("after %v", d)
		}
		f.change(func() { f.mute = false })
		m := l.fakeManager()
		f.change(func() { f.mute = true })
		var reason error
		begin = time.Now()
		for e := range m.Events(within(t, 100*time.Second)) {
			if c, ok := e.(connmgr.AdapterChanged); ok && c.State == connmgr.AdapterDown {
				reason = c.Err
				break
			}
		}
		if !errors.Is(reason, remote.ErrTaken) || time.Since(begin) < 40*time.Second || time.Since(begin) > 60*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), reason)
		}
	})
}

// TestQuietRoom: a proxy whose room has no devices stays up, and so does a link in it.
func TestQuietRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.fakeManager()
		wantUp := func(d time.Duration) {
			t.Helper()
			for e := range m.Events(within(t, d)) {
				if c, ok := e.(connmgr.AdapterChanged); ok {
					t.Fatalf("the adapter is %v: %v", c.State, c.Err)
				}
			}
		}
		wantUp(299 * time.Second)
		if n := f.subscriptions(); n != 10 {
			t.Errorf("subscribed %d times in five minutes, want one every 30 s", n)
		}
		c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.subscriptions()
		wantUp(5 * time.Minute)
		if n := f.subscriptions(); n != 0 || c.Err() != nil {
			t.Errorf("subscribed %d times beside a link, which has ended with %v", n, c.Err())
		}
		// A device that is away is dialed: that hides a proxy which serves another client no longer than 90 s.
		c.Close()
		f.change(func() {
			f.answer = func(_ *fake, m esphome.Message) bool { _, ok := m.(*esphome.DeviceRequest); return ok }
		})
		dialing := make(chan struct{})
		go func() {
			defer close(dialing)
			_, _ = m.Establish(within(t, 5*time.Minute), addrOf(1).String(), &connmgr.Options{MaxAttempts: 1000})
		}()
		wantUp(5 * time.Minute)
		<-dialing
		if n := f.subscriptions(); n != 4 {
			t.Errorf("subscribed %d times in five minutes of a dial, want one at once and one every 90 s", n)
		}
	})
}

// TestTakenLink: another client of the proxy takes the link of this one. The log says so, and so
// does the error of the next connect.
func TestTakenLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		var lines bytes.Buffer
		m, err := connmgr.Open(t.Context(), &connmgr.Config{
			Adapters: []string{"esphome:fake"},
			Kinds:    []connmgr.Kind{remote.ESPHome(&remote.Config{Dial: l.dial, Logger: slog.New(slog.NewTextHandler(&lines, nil))})},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.change(func() {
			f.send(&esphome.DeviceConnection{Address: fakeAddress}, f.slots())
			f.answer = refuse(0x85)
		})
		<-c.Done()
		_, err = m.Establish(within(t, 60*time.Second), addrOf(1).String(), nil)
		if !errors.Is(err, remote.ErrInUse) {
			t.Errorf("got %v", err)
		}
		m.Close() // ends the writers of the log
		if !strings.Contains(lines.String(), "another client of the proxy has taken the link") {
			t.Errorf("logged %q", lines.String())
		}
	})
}
