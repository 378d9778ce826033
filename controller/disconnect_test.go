package controller_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// linked opens a Controller with a link to a peer. disconnect answers Disconnect.
func linked(t *testing.T, s *script, host *hcitest.Host, disconnect func()) (*controller.Controller, *controller.Link) {
	t.Helper()
	peer := hci.Addr{MAC: hci.MAC{9}}
	s.connectsTo(peer)
	connects := s.on
	s.on = func(p hci.Params) bool {
		if p.Opcode() == hci.OpDisconnect {
			disconnect()
			return true
		}
		return connects(p)
	}
	ctl := open(t, s, host, &controller.Config{DisableTuning: true})
	l, err := ctl.Connect(t.Context(), peer, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ctl, l
}

func TestDisconnectRefused(t *testing.T) { synctest.Test(t, testDisconnectRefused) }

func testDisconnectRefused(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	status := hci.StatusCommandDisallowed
	d, l := linked(t, s, host, func() {
		s.send(&hci.CommandStatus{Status: status, NumPackets: 1, Opcode: hci.OpDisconnect})
		if status == hci.StatusSuccess { // refused later
			s.send(&hci.DisconnectionComplete{Status: hci.StatusUnspecified, Handle: 1})
		}
	})
	begin := time.Now()
	for _, want := range []struct{ status, err hci.Status }{
		{hci.StatusCommandDisallowed, hci.StatusCommandDisallowed},
		{hci.StatusSuccess, hci.StatusUnspecified},
	} {
		synctest.Wait()
		status = want.status
		errs := make(chan error, 2)
		for range cap(errs) {
			go func() { errs <- l.Disconnect(t.Context()) }()
		}
		for range cap(errs) {
			err := <-errs
			if ce, ok := errors.AsType[*controller.CommandError](err); !ok || ce.Op != hci.OpDisconnect || !errors.Is(err, want.err) {
				t.Errorf("got %v, want the refusal %v", err, want.err)
			}
		}
	}
	if l.Err() != nil || time.Since(begin) != 0 {
		t.Errorf("the link ended with %v after %v; it lives", l.Err(), time.Since(begin))
	}
	time.Sleep(time.Minute)
	if l.Err() != nil {
		t.Errorf("the refused end was awaited all the same: %v", l.Err())
	}
	d.Close()
}

// Disconnect returns nil for a link that is down, even if ctx has ended.
func TestDisconnectOfALinkThatIsDown(t *testing.T) {
	synctest.Test(t, testDisconnectOfALinkThatIsDown)
}

func testDisconnectOfALinkThatIsDown(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d, l := linked(t, s, host, func() {
		s.send(&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpDisconnect})
		s.send(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusLocalHostTerminated})
	})
	if err := l.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 100 {
		if i == 50 {
			d.Close() // there is no loop any more to ask
		}
		if err := l.Disconnect(dead); err != nil {
			t.Fatalf("call %d got %v, want nil", i, err)
		}
	}
}

// slowLog is the io.Writer of a log. Each Write takes a moment.
type slowLog struct{}

func (slowLog) Write(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return len(b), nil
}

// A caller who learns from a command that the Controller has ended finds the links
// down.
func TestLinksEndBeforeCommandsFail(t *testing.T) { synctest.Test(t, testLinksEndBeforeCommandsFail) }

func testLinksEndBeforeCommandsFail(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	peer := hci.Addr{MAC: hci.MAC{9}}
	s.connectsTo(peer)
	log := slog.New(slog.NewTextHandler(slowLog{}, &slog.HandlerOptions{Level: controller.LevelLink}))
	d := open(t, s, host, &controller.Config{DisableTuning: true, Logger: log})
	l, err := d.Connect(t.Context(), peer, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.on = func(hci.Params) bool { return true } // nothing is answered any more
	type outcome struct{ err, link error }
	reading, leaving := make(chan outcome, 1), make(chan outcome, 1)
	go func() {
		_, err := l.RSSI(t.Context())
		reading <- outcome{err, l.Err()}
	}()
	synctest.Wait()
	go func() {
		err := l.Disconnect(t.Context())
		leaving <- outcome{err, l.Err()}
	}()
	synctest.Wait()
	s.send(&hci.HardwareError{Code: 1})
	if o := <-reading; !errors.Is(o.err, controller.HardwareFault(1)) || !errors.Is(o.link, controller.HardwareFault(1)) {
		t.Errorf("reading failed with %v on a link that ended with %v", o.err, o.link)
	}
	if o := <-leaving; o.err != nil || !errors.Is(o.link, controller.HardwareFault(1)) {
		t.Errorf("disconnecting failed with %v on a link that ended with %v", o.err, o.link)
	}
}

func TestCloseResetsInSpiteOfALinkThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, testCloseResetsInSpiteOfALinkThatDoesNotEnd)
}

func testCloseResetsInSpiteOfALinkThatDoesNotEnd(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d, l := linked(t, s, host, func() {
		s.send(&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpDisconnect}) // the peer is out of range
	})
	n := len(s.sent())
	begin := time.Now()
	d.Close()
	if ops, want := s.sent()[n:], []hci.Opcode{hci.OpDisconnect, hci.OpReset}; !slices.Equal(ops, want) || time.Since(begin) != time.Second {
		t.Errorf("closing sent %v in %v, want %v in 1s", ops, time.Since(begin), want)
	}
	if l.Err() == nil {
		t.Error("the link is still up")
	}
}

func TestCloseDoesNotWaitForAResetForEver(t *testing.T) {
	synctest.Test(t, testCloseDoesNotWaitForAResetForEver)
}

func testCloseDoesNotWaitForAResetForEver(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d := open(t, s, host, &controller.Config{CommandTimeout: time.Minute})
	s.on = func(p hci.Params) bool { return p.Opcode() == hci.OpReset } // never answered
	begin := time.Now()
	d.Close()
	if time.Since(begin) != time.Second {
		t.Errorf("closing took %v, want 1s", time.Since(begin))
	}
	if _, err := controller.Exec(context.Background(), d, hci.LERand{}); !errors.Is(err, d.Err()) {
		t.Errorf("a command after Close got %v", err)
	}
}
