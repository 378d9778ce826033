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

// When the transport reports lost packets, a link whose end was among them ends within
// seconds, without an Establish.
func TestDroppedPacketsVerifyTheLinks(t *testing.T) { inBubble(t, testDroppedPackets) }

func testDroppedPackets(t *testing.T) {
	l := &lab{t: t, air: sim.New(&sim.Config{Seed: 1})}
	defer l.air.Close()
	l.adapters = []*sim.Controller{l.air.NewController(nil)}
	tr := &lossyTransport{Transport: l.adapters[0].Plug()}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{
		Adapters: []string{"hci0"},
		Kinds:    []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return tr, nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	gone := l.device(1)
	l.device(2)
	c, err := m.Establish(t.Context(), address(1).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := m.Establish(t.Context(), address(2).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
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
