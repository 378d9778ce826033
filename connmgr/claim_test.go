package connmgr_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// boundLab has a device that hci0 can reach at once, and a call for it that is bound to
// hci1, which is full or does not hear the device.
func boundLab(ctx context.Context, t *testing.T, full bool) (l *lab, d *sim.Peripheral, bound <-chan error) {
	t.Helper()
	l = newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1, "hci1": 1}}, nil, nil)
	d = l.device(1)
	l.device(2)
	if !full {
		l.outOfRange(1, d)
	}
	time.Sleep(2 * second)
	if full {
		l.establish(2, &connmgr.Options{Adapter: "hci1", Priority: 20})
	}
	bound = l.connectOnce(ctx, &connmgr.Options{Adapter: "hci1"})
	time.Sleep(second)
	l.trace.reset()
	return l, d, bound
}

// connectOnce connects to device 1 and closes the Client.
func (l *lab) connectOnce(ctx context.Context, o *connmgr.Options) <-chan error {
	ended := make(chan error, 1)
	go func() {
		c, err := l.m.Establish(ctx, address(1).String(), o)
		if err == nil {
			err = errors.Join(c.Err(), c.Close())
		}
		ended <- err
	}()
	return ended
}

// A call that is bound to an adapter which is full, or does not hear the device, holds up no
// other calls for the device: they make the link, one for all of them, and it shares that.
func TestBoundCallHoldsUpNobody(t *testing.T) { inBubble(t, testBoundCallHoldsUpNobody) }

func testBoundCallHoldsUpNobody(t *testing.T) {
	for _, full := range []bool{false, true} {
		l, _, bound := boundLab(t.Context(), t, full)
		r := l.record()
		var waits []func() (*connmgr.Client, time.Duration)
		for _, o := range []*connmgr.Options{{Priority: 10, Evict: true}, {Priority: -1}, {Adapter: "hci0"}} {
			waits = append(waits, l.begin(1, o))
		}
		var cs []*connmgr.Client
		for i, wait := range waits {
			c, took := wait()
			if c.Adapter() != "hci0" || took > second/2 {
				t.Errorf("hci1 full %v: call %d was connected over %s after %v", full, i, c.Adapter(), took)
			}
			cs = append(cs, c)
		}
		if err := <-bound; err != nil {
			t.Errorf("hci1 full %v: the bound call: %v", full, err)
		}
		if n := l.trace.countLinks(); n != 1 {
			t.Errorf("hci1 full %v: %d links, want 1", full, n)
		}
		if failures, starts := r.count(isFailure), r.count(isStart); failures != 0 || starts != 1 {
			t.Errorf("hci1 full %v: %d attempts started and %d failed, want the one that connects", full, starts, failures)
		}
		for _, c := range cs {
			c.Close()
		}
		l.m.Close()
	}
}

// A call that is held up by a bound one goes on as soon as it has a path of its own: another
// adapter hears the device, or has a free slot.
func TestHeldUpCallFindsItsPath(t *testing.T) { inBubble(t, testHeldUpCallFindsItsPath) }

func testHeldUpCallFindsItsPath(t *testing.T) {
	for _, slot := range []bool{false, true} {
		l, d, bound := boundLab(t.Context(), t, true)
		var other *connmgr.Client
		if slot {
			l.device(3)
			other = l.establish(3, &connmgr.Options{Adapter: "hci0"})
		} else {
			l.outOfRange(0, d)
			time.Sleep(4 * second)
		}
		wait := l.begin(1, &connmgr.Options{})
		time.Sleep(5 * second)
		begin := time.Now()
		if slot {
			other.Close()
		} else {
			l.air.SetPath(l.adapters[0], d, sim.Path{})
		}
		c, _ := wait()
		if took := time.Since(begin); c.Adapter() != "hci0" || took > second {
			t.Errorf("slot %v: over %s after %v", slot, c.Adapter(), took)
		}
		if err := <-bound; err != nil {
			t.Errorf("slot %v: the bound call: %v", slot, err)
		}
		c.Close()
		l.m.Close()
	}
}

// A claim passes at once, not only with the next advertisement: that one makes the link.
func TestClaimOnARarelyHeardDevice(t *testing.T) { inBubble(t, testClaimOnARarelyHeardDevice) }

func testClaimOnARarelyHeardDevice(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.outOfRange(1, l.sensorAt(1, 5*second, sim.Temper{}))
	time.Sleep(30 * second)
	bound := l.connectOnce(t.Context(), &connmgr.Options{Adapter: "hci1"})
	time.Sleep(second)
	c, took := l.begin(1, nil)()
	if took > 5500*time.Millisecond {
		t.Errorf("connected over %s after %v", c.Adapter(), took)
	}
	if err := <-bound; err != nil {
		t.Errorf("the bound call: %v", err)
	}
	c.Close()
}

// A call may end at any moment of the passing of the claim. It ends at once, and the other
// one is connected, over its own adapter if need be.
func TestClaimPassesToACallThatEnds(t *testing.T) { inBubble(t, testClaimPassesToACallThatEnds) }

func testClaimPassesToACallThatEnds(t *testing.T) {
	for _, boundEnds := range []bool{false, true} {
		for after := time.Duration(0); after < 200*time.Millisecond; after += 5 * time.Millisecond {
			ctx, cancel := context.WithCancel(t.Context())
			ofBound, ofOther := t.Context(), ctx
			if boundEnds {
				ofBound, ofOther = ofOther, ofBound
			}
			l, d, staying := boundLab(ofBound, t, false)
			ending := l.connectOnce(ofOther, nil)
			if boundEnds {
				staying, ending = ending, staying
			}
			time.Sleep(after)
			cancel()
			begin := time.Now()
			if err := <-ending; err != nil && (!errors.Is(err, context.Canceled) || time.Since(begin) != 0) {
				t.Errorf("bound call %v, ended after %v: %v, %v later", boundEnds, after, err, time.Since(begin))
			}
			l.air.SetPath(l.adapters[1], d, sim.Path{})
			if err := <-staying; err != nil || time.Since(begin) > second {
				t.Errorf("bound call %v, ended after %v: the other one: %v after %v", boundEnds, after, err, time.Since(begin))
			}
			l.m.Close()
		}
	}
}
