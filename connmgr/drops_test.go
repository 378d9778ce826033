package connmgr_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// lossyTransport counts packets that it has lost.
type lossyTransport struct {
	hci.Transport
	drops atomic.Uint32
}

func (tr *lossyTransport) Drops() (uint32, error) { return tr.drops.Load(), nil }

// newLossyLab opens a Manager over one adapter with a lossyTransport.
func newLossyLab(t *testing.T) (*lab, *lossyTransport) {
	l := &lab{t: t, air: sim.New(&sim.Config{Seed: 1})}
	t.Cleanup(func() { l.air.Close() })
	l.adapters = []*sim.Controller{l.air.NewController(nil)}
	tr := &lossyTransport{Transport: l.adapters[0].Plug()}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{
		Adapters: []string{"hci0"},
		Kinds:    []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return tr, nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	l.m = m
	return l, tr
}

// When the transport reports lost packets, a link whose end was among them ends within
// seconds, without an Establish.
func TestDroppedPacketsVerifyTheLinks(t *testing.T) { inBubble(t, testDroppedPackets) }

func testDroppedPackets(t *testing.T) {
	l, tr := newLossyLab(t)
	gone := l.device(1)
	l.device(2)
	c, other := l.establish(1, nil), l.establish(2, nil)
	time.Sleep(10 * second)
	l.adapters[0].Fault(sim.EventFault{Code: 0x05, Drop: true})
	l.air.SetAway(gone, true)
	time.Sleep(10 * second)
	if c.Err() != nil {
		t.Fatalf("the event was not lost: %v", c.Err())
	}
	tr.drops.Add(3)
	begin := time.Now()
	<-c.Done()
	if took := time.Since(begin); took > 3*second+100*time.Millisecond || !errors.Is(c.Err(), controller.ErrEventLost) {
		t.Errorf("the link ended after %v with %v", took, c.Err())
	}
	if err := other.Err(); err != nil {
		t.Errorf("the link that is up ended: %v", err)
	}
	other.Close()
}

// When the transport reports lost packets, a dial begins anew, within the same attempt: the
// event about its link may have been among them.
func TestDroppedConnectionComplete(t *testing.T) { inBubble(t, testDroppedConnectionComplete) }

func testDroppedConnectionComplete(t *testing.T) {
	l, tr := newLossyLab(t)
	l.device(1)
	l.device(2)
	other := l.establish(2, nil)
	r := l.record()
	l.adapters[0].Fault(sim.EventFault{Drop: true, Match: func(ev hci.Event) bool {
		c, ok := ev.(*hci.LEEnhancedConnectionComplete)
		return ok && c.Status == hci.StatusSuccess
	}})
	absent := l.begin(3, nil) // the two dials share an initiation, which names no peer
	time.Sleep(second)
	wait := l.begin(1, nil)
	time.Sleep(second)
	tr.drops.Add(1)
	c, took := wait()
	// The loss is noticed within a second and acted on 2 s later; the controller then has
	// a second to report the link.
	if took < 4*second || took > 5200*time.Millisecond || r.count(isFailure) != 0 {
		t.Errorf("connected after %v and %d failures, want 4 to 5 s and none", took, r.count(isFailure))
	}
	l.device(3)
	late, _ := absent()
	if s, f := r.count(isStart), r.count(isFailure); s != 2 || f != 0 {
		t.Errorf("%d attempts, %d failures, want one attempt for each device", s, f)
	}
	l.wantLevel(c, 1)
	l.wantLevel(late, 3)
	l.wantLevel(other, 2)
}
