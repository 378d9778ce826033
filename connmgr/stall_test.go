package connmgr_test

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/sim"
)

// A controller that returns no buffers is reset, and the device is connected.
func TestControllerThatKeepsData(t *testing.T) { inBubble(t, testControllerThatKeepsData) }

func testControllerThatKeepsData(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{ACLNum: 2})
	l.device(1)
	resets, r := l.resets(), l.watchAttempts()
	l.adapters[0].Fault(sim.CreditFault{Lose: true, For: 10 * second})
	begin := time.Now()
	c := l.establish(1, nil)
	if took := time.Since(begin); took > 20*second {
		t.Errorf("connected after %v, want within 20 s", took)
	}
	l.wantLevel(c, 1)
	c.Close()
	if n := resets(); n != 1 {
		t.Errorf("%d resets, want 1", n)
	}
	if _, failed := r.events(); len(failed) == 0 || !errors.Is(failed[0].Err, controller.ErrNoDataCredit) {
		t.Errorf("attempts failed with %v, want the fault of the controller first", failed)
	}
}

// A controller that keeps the data of one peer does not cost the links to other peers.
func TestControllerThatKeepsDataOfOnePeer(t *testing.T) {
	inBubble(t, testControllerThatKeepsDataOfOnePeer)
}

func testControllerThatKeepsDataOfOnePeer(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{ACLNum: 2})
	l.device(1)
	l.device(2)
	healthy := l.establish(2, nil)
	resets := l.resets()
	l.adapters[0].Fault(sim.CreditFault{Peer: address(1), Lose: true})
	if _, err := l.m.Establish(t.Context(), address(1).String(), nil); err == nil {
		t.Error("connected without buffers")
	}
	l.wantLevel(healthy, 2)
	if n := resets(); n != 0 {
		t.Errorf("%d resets, want none beside a good link", n)
	}
	healthy.Close()
}

// A peer that takes no data, alone on its adapter, costs it one reset, however often it is
// dialed. Other peers are connected meanwhile.
func TestPeerThatTakesNoDataAlone(t *testing.T) { inBubble(t, testPeerThatTakesNoDataAlone) }

func testPeerThatTakesNoDataAlone(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{ACLNum: 2})
	l.device(1)
	l.device(2)
	resets := l.resets()
	l.adapters[0].Fault(sim.CreditFault{Peer: address(1), Lose: true})
	for begin := time.Now(); time.Since(begin) < time.Hour; {
		if _, err := l.m.Establish(t.Context(), address(1).String(), nil); !errors.Is(err, controller.ErrNoDataCredit) {
			t.Errorf("connected to a peer that takes no data: %v", err)
		}
		l.establish(2, nil).Close()
	}
	if n := resets(); n != 1 {
		t.Errorf("%d resets in an hour, want 1", n)
	}
}

// A reset that has helped is repeated as soon as the controller keeps data again.
func TestControllerThatKeepsDataAgain(t *testing.T) { inBubble(t, testControllerThatKeepsDataAgain) }

func testControllerThatKeepsDataAgain(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{ACLNum: 2})
	l.device(1)
	resets := l.resets()
	for range 3 {
		c := l.establish(1, nil)
		l.adapters[0].Fault(sim.CreditFault{Lose: true, For: 8 * second})
		var err error
		for err == nil {
			_, err = c.Read(t.Context(), battery, level)
		}
		if !errors.Is(err, controller.ErrNoDataCredit) {
			t.Errorf("the link ended with %v", err)
		}
		c.Close()
	}
	time.Sleep(second)
	if n := resets(); n != 3 {
		t.Errorf("%d resets, want one each time", n)
	}
}
