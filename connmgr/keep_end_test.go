package connmgr_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// The end is at once in every state, whoever ends it, and leaves nothing.
func TestKeepEnds(t *testing.T) { inBubble(t, testKeepEnds) }

func testKeepEnds(t *testing.T) {
	errMine := errors.New("enough")
	blocks := func(ctx context.Context, _ *connmgr.Client) error { <-ctx.Done(); return context.Cause(ctx) }
	for _, c := range []struct {
		name   string
		device bool
		ready  func(context.Context, *connmgr.Client) error
		after  time.Duration
		state  connmgr.KeepState
	}{
		{"dialing", false, nil, second, connmgr.KeepConnecting},
		{"waiting", false, nil, 81 * second, connmgr.KeepWaiting},
		{"in a set-up that blocks", true, blocks, second, connmgr.KeepConnecting},
		{"ready", true, nil, second, connmgr.KeepReady},
	} {
		for _, how := range []string{"Close", "context", "Manager.Close"} {
			l := newLab(t, connmgr.Config{})
			if c.device {
				l.device(1)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			k, err := l.m.Keep(ctx, address(1).String(), &connmgr.KeepOptions{Options: connmgr.Options{Ready: c.ready}})
			if err != nil {
				t.Fatal(err)
			}
			sub := k.Subscribe(battery, level, nil)
			time.Sleep(c.after)
			if s := k.Status(); s.State != c.state {
				t.Errorf("%s: state %s, want %s", c.name, s.State, c.state)
			}
			begin, want := time.Now(), net.ErrClosed
			switch how {
			case "Close":
				k.Close()
			case "context":
				cancel(errMine)
				want = errMine
			case "Manager.Close":
				l.m.Close()
			}
			<-k.Done()
			if took := time.Since(begin); took > 100*time.Millisecond || !errors.Is(k.Err(), want) || k.Status().State != connmgr.KeepEnded || k.Client() != nil {
				t.Errorf("%s, %s: ended after %v by %v, %+v", c.name, how, took, k.Err(), k.Status())
			}
			for err = nil; ; {
				if _, err = sub.Next(t.Context()); !errors.As(err, new(*connmgr.InterruptedError)) {
					break
				}
			}
			if !errors.Is(err, want) {
				t.Errorf("%s, %s: subscription ended by %v", c.name, how, err)
			}
			time.Sleep(3 * second) // the Manager ends a dial in the background
			l.wantNoSlots()
			l.wantNothingLeft()
			cancel(nil)
			l.m.Close()
		}
	}
}

// A set-up that ends its goroutine, as t.FailNow does, ends the Keep and its link.
func TestKeepSetUpEndsItsGoroutine(t *testing.T) { inBubble(t, testKeepSetUpEndsItsGoroutine) }

func testKeepSetUpEndsItsGoroutine(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	k := l.keep(1, &connmgr.KeepOptions{Options: connmgr.Options{Ready: func(context.Context, *connmgr.Client) error {
		runtime.Goexit()
		return nil
	}}})
	<-k.Done()
	if err := k.Err(); err == nil || !strings.Contains(err.Error(), "ended the goroutine") {
		t.Errorf("ended by %v", err)
	}
	time.Sleep(second)
	l.wantNoSlots()
	l.establish(1, nil).Close() // the device is not claimed any more
}

// Keep gives up where no later attempt helps, or where the program says so.
func TestKeepGivesUp(t *testing.T) { inBubble(t, testKeepGivesUp) }

func testKeepGivesUp(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	k := l.keep(1, &connmgr.KeepOptions{
		Options: connmgr.Options{MaxAttempts: -1},
		GiveUp:  func(s connmgr.KeepStatus) bool { return s.Failures == 2 },
	})
	<-k.Done()
	if s := k.Status(); !errors.Is(k.Err(), connmgr.ErrNotFound) || s.Failures != 2 || s.Err != k.Err() || s.State != connmgr.KeepEnded {
		t.Errorf("ended by %v, %+v", k.Err(), s)
	}
	k.wantStates("0.0s connecting", "20.0s waiting", "21.0s connecting", "41.0s ended")
	d := l.sensorAt(2, 100*time.Millisecond, sim.Temper{SecurityRequests: []sim.SecurityRequest{{AuthReq: 0x0D}},
		Rules: []sim.Rule{{On: sim.OnSecurityRefused, Do: sim.HangUp, Status: 0x05}}})
	_ = d
	k = l.keep(2, nil)
	<-k.Done()
	if s := k.Status(); !errors.Is(k.Err(), connmgr.ErrConnection) || s.Failures != 1 {
		t.Errorf("a device that wants to be paired with: ended by %v, %+v", k.Err(), s)
	}
	if _, err := l.m.Keep(t.Context(), "nonsense", nil); err == nil {
		t.Error("an invalid address is kept")
	}
	l.m.Close()
	if _, err := l.m.Keep(t.Context(), address(1).String(), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want the Manager closed", err)
	}
}

// A context that ends in the set-up ends the Keep, and wakes the work that waits.
func TestKeepContextEndsInSetUp(t *testing.T) { inBubble(t, testKeepContextEndsInSetUp) }

func testKeepContextEndsInSetUp(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	errMine := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	k, err := l.m.Keep(ctx, address(1).String(), &connmgr.KeepOptions{Options: connmgr.Options{
		Ready: func(context.Context, *connmgr.Client) error { cancel(errMine); return nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	err = k.Do(t.Context(), func(*connmgr.Client) error { t.Error("work without a connection"); return nil })
	if e := new(connmgr.UnkeptError); !errors.As(err, &e) || !errors.Is(err, errMine) {
		t.Errorf("%v, want the reason for the end", err)
	}
	<-k.Done()
	if k.Err() != errMine {
		t.Errorf("ended by %v", k.Err())
	}
	time.Sleep(second)
	l.wantNoSlots()
	l.wantNothingLeft()
}
