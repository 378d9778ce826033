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
