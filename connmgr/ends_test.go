package connmgr_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// once is the policy of a single attempt.
func once() *connmgr.Policy {
	p := connmgr.DefaultPolicy()
	p.MaxAttempts, p.MaxTransients, p.MinPersistence = 1, 1, 0
	return &p
}

// lacking asks for a service that no device of these tests has.
var lacking = []connmgr.Requirement{{Service: gatt.UUID16(0x1234)}}

// refuse makes the controller refuse to end links.
func (l *lab) refuse() {
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpDisconnect, Status: hci.StatusCommandDisallowed})
}

func (l *lab) taken(adapter string) int {
	return len(l.m.Slots().Allocations(adapter).Allocated)
}

func TestNoCallbackForAClientNeverReturned(t *testing.T) {
	inBubble(t, testNoCallbackForAClientNeverReturned)
}

func testNoCallbackForAClientNeverReturned(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	for range 20 {
		l.m.ClearCache(address(1).String()) // so that each call fails as the first one
		l.adapters[0].Fault(sim.LinkFault{After: 6, Reason: hci.StatusConnectionTimeout})
		_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{
			Policy:       once(),
			Disconnected: func(_ *connmgr.Client, err error) { t.Errorf("called with %v", err) },
		})
		if !errors.Is(err, hci.StatusConnectionTimeout) {
			t.Errorf("error %v, want that of the link", err)
		}
		time.Sleep(5 * second)
	}
	l.wantNoSlots()
}

func TestCauseOutlivesTheOtherUser(t *testing.T) { inBubble(t, testCauseOutlivesTheOtherUser) }

func testCauseOutlivesTheOtherUser(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	for range 20 {
		c := l.establish(1, &connmgr.Options{DisableDiscovery: true})
		done := make(chan error)
		go func() {
			_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Policy: once(), DisableCache: true, Require: lacking})
			l.wantNoSlots()
			done <- err
		}()
		time.Sleep(40 * time.Millisecond)
		c.Close() // the other is in the middle of discovery
		if err := <-done; !errors.As(err, new(*connmgr.MissingError)) {
			t.Errorf("error %v, want a MissingError", err)
		}
	}
}

func TestCloseRefused(t *testing.T) { inBubble(t, testCloseRefused) }

func testCloseRefused(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	c := l.establish(1, nil)
	l.refuse()
	if err := c.Close(); !errors.Is(err, hci.StatusCommandDisallowed) {
		t.Errorf("error %v, want command disallowed", err)
	}
	if c.Err() != nil {
		t.Errorf("the link has ended: %v", c.Err())
	}
	l.adapters[0].ClearFaults()
	c = l.establish(1, nil) // on the same link
	l.wantLevel(c, 1)

	// An Establish that waits for the end shares the link, too.
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpDisconnect, Status: hci.StatusCommandDisallowed, Delay: second})
	go c.Close()
	time.Sleep(500 * time.Millisecond)
	c, took := l.begin(1, nil)()
	if took > 2*second {
		t.Errorf("established after %v, want right after the refusal", took)
	}
	l.adapters[0].ClearFaults()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	l.wantNoSlots()
}

func TestEndRefusedAfterFailure(t *testing.T) { inBubble(t, testEndRefusedAfterFailure) }

func testEndRefusedAfterFailure(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	l.refuse()
	begin := time.Now()
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Timeout: 10 * second, Require: lacking})
	if !errors.As(err, new(*connmgr.MissingError)) || time.Since(begin) >= 10*second {
		t.Errorf("error %v after %v, want a MissingError within 10s", err, time.Since(begin))
	}
}

func TestSlotIsFreeWhenTold(t *testing.T) { inBubble(t, testSlotIsFreeWhenTold) }

func testSlotIsFreeWhenTold(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	for range 50 {
		l.establish(1, nil)
		if err := l.m.CloseStale(t.Context(), address(1).String(), false); err != nil {
			t.Fatal(err)
		}
		l.wantNoSlots()
		c := l.establish(1, nil)
		go c.Close()
		<-c.Done()
		l.wantNoSlots()
		if c.Err() == nil {
			t.Error("done without a reason")
		}
		synctest.Wait()
	}
}

func TestTimeoutNamesWhatItCut(t *testing.T) { inBubble(t, testTimeoutNamesWhatItCut) }

func testTimeoutNamesWhatItCut(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	l.device(1)
	l.device(2)
	time.Sleep(second)
	try := func(n int, phase connmgr.Phase, want error) {
		t.Helper()
		_, err := l.m.Establish(t.Context(), address(n).String(), &connmgr.Options{Timeout: 1200 * time.Millisecond})
		var e *connmgr.EstablishError
		if !errors.As(err, &e) || !errors.Is(err, want) || e.Attempts[len(e.Attempts)-1].Phase != phase {
			t.Errorf("error %v, want %v in phase %s", err, want, phase)
		}
	}
	l.adapters[0].Fault(sim.LinkFault{After: 8}) // the device is silent from then on
	try(1, connmgr.PhaseDiscover, connmgr.ErrConnection)
	l.adapters[0].ClearFaults()
	try(3, connmgr.PhaseDial, connmgr.ErrNotFound)
	time.Sleep(10 * second)
	c := l.establish(1, nil)
	try(2, connmgr.PhaseSlot, connmgr.ErrOutOfSlots)
	c.Close()
}

func TestAdapterNewsDoNotSpendAttempts(t *testing.T) { inBubble(t, testAdapterNewsDoNotSpendAttempts) }

func testAdapterNewsDoNotSpendAttempts(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	time.Sleep(40 * second)
	p := connmgr.DefaultPolicy()
	p.MaxTransients, p.Backoffs.Stack = 3, 5*second
	begin := time.Now()
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpReset, Status: hci.StatusHardwareFailure, Times: sim.Always})
	time.AfterFunc(3*second, l.adapters[0].ClearFaults)
	l.adapters[0].Unplug()
	time.Sleep(time.Millisecond)
	// It is opened after 0.25, 1.25 and 5.25 s, the last time with success: that
	// cuts the second wait of five seconds short.
	c := l.establish(1, &connmgr.Options{Policy: &p})
	if d := time.Since(begin); d < 5250*time.Millisecond || d > 6*second {
		t.Errorf("established after %v, want right after 5.25s", d)
	}
	c.Close()
}

func TestEventsOfAClosedManager(t *testing.T) { inBubble(t, testEventsOfAClosedManager) }

func testEventsOfAClosedManager(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	begin := time.Now()
	events := l.m.Events(ctx)
	l.m.Close()
	n := 0
	for range events {
		n++
	}
	for range events { // its loop has ended
		t.Error("an event in a second loop")
	}
	for range l.m.Events(ctx) {
		t.Error("an event after Close")
	}
	if n == 0 || time.Since(begin) > second {
		t.Errorf("%d events in %v, want those of Close, and no wait", n, time.Since(begin))
	}
}
