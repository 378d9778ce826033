package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
)

// single is the policy of one attempt, without a second chance of any kind.
func single() *connmgr.Options { return &connmgr.Options{MaxAttempts: -1} }

// An adapter that is unplugged for five seconds costs the time and no attempt,
// whether it goes before or during an attempt.
func TestReplugCostsNoAttempt(t *testing.T) { inBubble(t, testReplugCostsNoAttempt) }

func testReplugCostsNoAttempt(t *testing.T) {
	for _, before := range []bool{true, false} {
		l := newLab(t, connmgr.Config{})
		r := l.watchAttempts()
		time.Sleep(70 * second) // the next failure is the first of a row
		begin := time.Now()
		wait := func() (*connmgr.Client, time.Duration) { return nil, 0 }
		if !before {
			wait = l.begin(1, single())
			time.Sleep(second)
		}
		l.unplug(0)
		gone := time.Now()
		time.AfterFunc(5*second, func() { l.plug(0) })
		time.Sleep(time.Millisecond)
		if before {
			wait = l.begin(1, single())
		}
		l.device(1)
		c, _ := wait()
		// It is opened again after 0, 0, 0.25, 1.25 and 5.25 s.
		if d := time.Since(gone); d < 5250*time.Millisecond || d > 5750*time.Millisecond {
			t.Errorf("connected %v after the adapter went, want right after 5.25 s", d)
		}
		l.wantLevel(c, 1)
		started, failed := 1, 0
		if !before {
			started, failed = 2, 1 // the one that was cut off
		}
		if n, m := r.count(); n != started || m != failed {
			t.Errorf("%d attempts in %v, %d failed, want %d and %d", n, time.Since(begin), m, started, failed)
		}
		c.Close()
		l.m.Close()
	}
}

// Forty calls wait for an adapter that is away for five seconds, and none of them fails.
// Of those that it had begun to dial, each loses that attempt only.
func TestManyWaitForAnAdapter(t *testing.T) { inBubble(t, testManyWaitForAnAdapter) }

func testManyWaitForAnAdapter(t *testing.T) {
	const devices = 40
	for _, before := range []bool{true, false} {
		l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{MaxLinks: devices})
		r := l.record()
		time.Sleep(70 * second)
		var waits []func() (*connmgr.Client, time.Duration)
		begin := func() {
			for n := range devices {
				waits = append(waits, l.begin(n, single()))
			}
		}
		if !before {
			begin()
			time.Sleep(second)
		}
		l.unplug(0)
		gone := time.Now()
		time.AfterFunc(5*second, func() { l.plug(0) })
		time.Sleep(time.Millisecond)
		for n := range devices {
			l.device(n)
		}
		if before {
			begin()
		}
		for n, wait := range waits {
			c, _ := wait()
			l.wantLevel(c, byte(n))
		}
		if took := time.Since(gone); took < 5250*time.Millisecond || took > 7*second {
			t.Errorf("the last is connected %v after the adapter went, want soon after 5.25 s", took)
		}
		want := 0
		if !before {
			want = devices
		}
		if failed := r.count(isFailure); failed != want {
			t.Errorf("%d failed attempts, want %d", failed, want)
		}
		l.m.Close()
	}
}

// An adapter that loads its firmware for ten seconds is waited for.
func TestFirmwareLoadIsWaitedFor(t *testing.T) { inBubble(t, testFirmwareLoadIsWaitedFor) }

func testFirmwareLoadIsWaitedFor(t *testing.T) {
	const load = 10 * second
	l := newLab(t, connmgr.Config{})
	l.device(1)
	slow := l.air.NewController(nil)
	m, err := connmgr.Open(t.Context(), &connmgr.Config{
		Adapters: []string{"hci0", "slow"},
		Kinds: []connmgr.Kind{{Open: func(_ context.Context, name string) (hci.Transport, error) {
			if name == "hci0" {
				return l.air.NewController(nil), nil
			}
			time.Sleep(load)
			return slow.Plug(), nil
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	begin := time.Now()
	c, err := m.Establish(t.Context(), address(1).String(), &connmgr.Options{Adapter: "slow", MaxAttempts: -1})
	if d := time.Since(begin); err != nil || d < load || d > load+second {
		t.Fatalf("%v after %v, want a connection right after %v", err, d, load)
	}
	c.Close()
}

// An adapter that does not come back is waited for a minute, and the error says
// why it does not.
func TestAdapterThatStaysAway(t *testing.T) { inBubble(t, testAdapterThatStaysAway) }

func testAdapterThatStaysAway(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	l.unplug(0)
	time.Sleep(second)
	for _, c := range []struct {
		o    connmgr.Options
		took time.Duration
		text string
	}{
		{connmgr.Options{}, time.Minute, "no adapter is ready: hci0: no such device"},
		{connmgr.Options{Timeout: 2 * second}, 2 * second, "not connected within 2s"},
	} {
		begin := time.Now()
		_, err := l.m.Establish(t.Context(), address(1).String(), &c.o)
		var e *connmgr.EstablishError
		if !errors.As(err, &e) || !errors.Is(err, connmgr.ErrConnection) || len(e.Attempts) != 1 ||
			!errors.Is(e.Attempts[0].Err, connmgr.ErrNoAdapter) || !errors.Is(e.Attempts[0].Err, errAbsent) ||
			e.Attempts[0].Phase != connmgr.PhasePath || e.Err.Error() != c.text {
			t.Errorf("%v, want one attempt without an adapter", err)
		}
		if took := time.Since(begin); took != c.took {
			t.Errorf("took %v, want %v", took, c.took)
		}
	}
}

// An adapter that no wait brings back fails at once.
func TestHopelessAdapterFailsAtOnce(t *testing.T) { inBubble(t, testHopelessAdapterFailsAtOnce) }

func testHopelessAdapterFailsAtOnce(t *testing.T) {
	for _, cause := range []hcisock.Cause{hcisock.CausePermission, hcisock.CauseBusy, hcisock.CauseRFKill, hcisock.CauseNoAdapter} {
		air := sim.New(nil)
		failure := &hcisock.OpenError{Address: "bad", Op: "open", Err: syscall.EIO, Cause: cause}
		m, err := connmgr.Open(t.Context(), &connmgr.Config{
			Adapters: []string{"good", "bad"},
			Kinds: []connmgr.Kind{{Open: func(_ context.Context, name string) (hci.Transport, error) {
				if name == "good" {
					return air.NewController(nil), nil
				}
				return nil, failure
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * second) // past the fourth try, and the recovery before it
		begin := time.Now()
		_, err = m.Establish(t.Context(), address(1).String(), &connmgr.Options{Adapter: "bad"})
		want := time.Duration(0)
		if cause == hcisock.CauseNoAdapter {
			want = time.Minute
		}
		if took := time.Since(begin); !errors.Is(err, connmgr.ErrNoAdapter) || !errors.Is(err, failure) || took != want {
			t.Errorf("%v: %v after %v, want it after %v", cause, err, took, want)
		}
		m.Close()
		air.Close()
	}
}

// An adapter that dies at each dial ends an Establish nevertheless.
func TestAdapterThatDiesAtEachDial(t *testing.T) { inBubble(t, testAdapterThatDiesAtEachDial) }

func testAdapterThatDiesAtEachDial(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	events := l.m.Events(t.Context())
	go func() {
		for ev := range events {
			if _, ok := ev.(connmgr.AttemptStarted); ok {
				l.adapters[0].Unplug()
			}
		}
	}()
	begin := time.Now()
	_, err := l.m.Establish(t.Context(), address(1).String(), single())
	if took := time.Since(begin); !errors.Is(err, connmgr.ErrConnection) || took < time.Minute || took > 3*time.Minute {
		t.Errorf("%v after %v, want it given up after one to three minutes", err, took)
	}
}

// A named adapter is known by its address: it comes back under another index.
func TestAdapterComesBackUnderAnotherIndex(t *testing.T) {
	inBubble(t, testAdapterComesBackUnderAnotherIndex)
}

func testAdapterComesBackUnderAnotherIndex(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	adapter, other := air.NewController(nil), air.NewController(nil)
	var mu sync.Mutex
	index := map[string]*sim.Controller{"hci0": adapter} // guarded by mu
	move := func(to map[string]*sim.Controller) {
		mu.Lock()
		index = to
		mu.Unlock()
	}
	find := func(name string) *sim.Controller {
		mu.Lock()
		defer mu.Unlock()
		if c := index[name]; c != nil {
			return c
		}
		for _, c := range index {
			if name == c.Address().MAC.String() {
				return c
			}
		}
		return nil
	}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{
		Open: func(_ context.Context, name string) (hci.Transport, error) {
			c := find(name)
			if c == nil {
				return nil, fmt.Errorf("%s: %w", name, errAbsent)
			}
			return c.Plug(), nil
		},
		Follow: connmgr.HCI(nil).Follow,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l := &lab{t: t, air: air, m: m}
	time.Sleep(70 * second)
	wait := l.begin(1, &connmgr.Options{Adapter: "hci0", MaxAttempts: -1})
	time.Sleep(second)
	move(map[string]*sim.Controller{"hci0": other}) // another one has its index
	adapter.Unplug()
	time.AfterFunc(5*second, func() { move(map[string]*sim.Controller{"hci0": other, "hci1": adapter}) })
	l.device(1)
	c, took := wait()
	if took < 6250*time.Millisecond || took > 7*second || c.Adapter() != "hci0" {
		t.Errorf("on %s after %v, want hci0 right after 6.25 s", c.Adapter(), took)
	}
	if own := m.Adapter("hci0").Controller().Info().Public; own != adapter.Address().MAC {
		t.Errorf("through the controller %v, want %v", own, adapter.Address())
	}
	c.Close()
}
