package connmgr_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// TestLinkOnAnotherAdapterIsUsed shares an existing link although the options name
// another adapter.
func TestLinkOnAnotherAdapterIsUsed(t *testing.T) { inBubble(t, testLinkOnAnotherAdapter) }

func testLinkOnAnotherAdapter(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.device(1)
	time.Sleep(second)
	first := l.establish(1, &connmgr.Options{Adapter: "hci1"})
	begin := time.Now()
	c := l.establish(1, &connmgr.Options{Adapter: "hci0"})
	if c.Adapter() != "hci1" || first.Err() != nil {
		t.Errorf("on %s, and the first link ended with %v", c.Adapter(), first.Err())
	}
	if d := time.Since(begin); d > 500*time.Millisecond {
		t.Errorf("took %v", d)
	}
	l.wantLevel(c, 1)
	c.Close()
	first.Close()
	l.wantNoSlots()
}

// TestHeardDeviceCutsTheWaitShort: after 0x15, which asks for a wait of 4 s,
// the device is back on air after 2 s.
func TestHeardDeviceCutsTheWaitShort(t *testing.T) { inBubble(t, testHeardDevice) }

func testHeardDevice(t *testing.T) {
	for name, on := range map[string]int{"the same adapter": 0, "another adapter": 1} {
		l := newLab(t, connmgr.Config{}, nil, nil)
		p := l.device(1)
		time.Sleep(second)
		l.adapters[0].Fault(sim.LinkFault{Reason: hci.StatusRemotePowerOff})
		l.adapters[1].Fault(sim.LinkFault{Reason: hci.StatusRemotePowerOff})
		go func() {
			link, err := p.Host().Accept(t.Context())
			if err == nil {
				err = p.Host().StopAdvertising(t.Context())
			}
			if err != nil {
				t.Error(err)
				return
			}
			<-link.Done()
			time.Sleep(2 * second)
			for _, a := range l.adapters {
				a.ClearFaults()
			}
			l.air.SetPath(l.adapters[1-on], p, sim.Path{Loss: 1})
			if err := p.Host().Advertise(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}()
		begin := time.Now()
		c := l.establish(1, nil)
		if d := time.Since(begin); d < 2*second || d > 3500*time.Millisecond || c.Adapter() != l.m.Adapters()[on].Name() {
			t.Errorf("back on %s: took %v, on %s", name, d, c.Adapter())
		}
		c.Close()
		l.m.Close()
	}
}

// TestLateConnectionAfterCancel: the controller reports the connection long
// after the caller has gone. It is closed, and the next one made.
func TestLateConnectionAfterCancel(t *testing.T) { inBubble(t, testLateConnection) }

func testLateConnection(t *testing.T) {
	const late = 5 * second
	for _, legacy := range []bool{false, true} {
		l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{Legacy: legacy})
		p := l.device(1)
		time.Sleep(second)
		for _, sub := range []uint8{0x01, 0x0A} { // both kinds of LE Connection Complete
			l.adapters[0].Fault(sim.EventFault{Code: 0x3E, Subevent: sub, Delay: late})
		}
		mine := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), second, mine)
		_, err := l.m.Establish(ctx, address(1).String(), nil)
		cancel()
		if !errors.Is(err, mine) {
			t.Fatalf("legacy %v: %v", legacy, err)
		}
		l.wantNoSlots()
		if n := p.Controller().Stats().Links; n != 1 {
			t.Errorf("legacy %v: the device has %d links: the connection is not late", legacy, n)
		}
		time.Sleep(late)
		synctest.Wait()
		l.wantNothingLeft()
		l.wantNoSlots()
		l.adapters[0].ClearFaults()
		c := l.establish(1, nil)
		l.wantLevel(c, 1)
		c.Close()
		l.m.Close()
	}
}

// TestCancelWhileWaitingForASlot leaves the queue as it was.
func TestCancelWhileWaitingForASlot(t *testing.T) { inBubble(t, testCancelInSlotPhase) }

func testCancelInSlotPhase(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	l.device(1)
	l.device(2)
	holder := l.establish(1, nil)
	mine := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*second, mine)
	defer cancel()
	begin := time.Now()
	_, err := l.m.Establish(ctx, address(2).String(), nil)
	var e *connmgr.EstablishError
	if !errors.Is(err, mine) || !errors.As(err, &e) || time.Since(begin) != 3*second {
		t.Fatalf("after %v: %v", time.Since(begin), err)
	}
	if n := len(e.Attempts); n != 1 || e.Attempts[0].Phase != connmgr.PhaseSlot {
		t.Errorf("attempts %+v", e.Attempts)
	}
	holder.Close()
	l.wantNoSlots()
	c := l.establish(2, nil)
	c.Close()
}

func TestCloseStale(t *testing.T) { inBubble(t, testCloseStale) }

func testCloseStale(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.device(1)
	time.Sleep(second)
	if err := l.m.CloseStale(t.Context(), address(1).String(), false); err != nil {
		t.Errorf("nothing to close: %v", err)
	}
	if err := l.m.CloseStale(t.Context(), "nonsense", false); err == nil {
		t.Error("no error for an address that is none")
	}
	told := make(chan error, 1)
	c := l.establish(1, &connmgr.Options{Adapter: "hci1", Disconnected: func(_ *connmgr.Client, err error) { told <- err }})
	if err := l.m.CloseStale(t.Context(), address(1).String(), true); err != nil || c.Err() != nil {
		t.Errorf("the link on the preferred adapter ended with %v, %v", c.Err(), err)
	}
	if err := l.m.CloseStale(t.Context(), address(1).String(), false); err != nil {
		t.Error(err)
	}
	if err := <-told; !errors.Is(err, hci.StatusLocalHostTerminated) {
		t.Errorf("ended with %v", err)
	}
	l.wantNoSlots()
	c.Close()
}

func TestSetConnectionParams(t *testing.T) { inBubble(t, testSetConnectionParams) }

func testSetConnectionParams(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	c := l.establish(1, nil)
	got, err := c.SetConnectionParams(t.Context(), 80, 80, 3, 600)
	want := hci.ConnParamsInUse{Interval: 100 * time.Millisecond, Latency: 3, Timeout: 6 * second}
	if err != nil || got.Interval != want.Interval || got.Latency != want.Latency || got.Timeout != want.Timeout || c.Params() != got {
		t.Errorf("negotiated %+v, %v; in use %+v", got, err, c.Params())
	}
	for _, v := range [][4]int{
		{5, 80, 0, 600}, {6, 3201, 0, 3200}, {80, 79, 0, 600}, {6, 6, 500, 3200}, {6, 6, -1, 600},
		{6, 6, 0, 9}, {6, 6, 0, 3201}, {80, 80, 3, 80}, // not more than twice the time between events
	} {
		if _, err := c.SetConnectionParams(t.Context(), v[0], v[1], v[2], v[3]); err == nil {
			t.Errorf("%v is accepted", v)
		}
	}
	c.Close()
	if _, err := c.SetConnectionParams(t.Context(), 80, 80, 0, 600); err == nil {
		t.Error("a link that has ended takes parameters")
	}
}

func TestClearCache(t *testing.T) { inBubble(t, testClearCache) }

func testClearCache(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	if l.m.ClearCache(address(1).String()) || l.m.ClearCache("nonsense") {
		t.Error("something was cached of a device never seen")
	}
	c := l.establish(1, nil)
	if !c.ClearCache() || c.ClearCache() {
		t.Error("the client's table was not cleared once")
	}
	c.Close()
	c = l.establish(1, nil)
	if c.Cached() {
		t.Error("a table that was cleared is in use")
	}
	c.Close()
	if !l.m.ClearCache(address(1).MAC.String()) || l.m.ClearCache(address(1).MAC.String()) {
		t.Error("the manager's table, by address without kind, was not cleared once")
	}
	l.wantNoSlots()
}

// CloseStale keeps the Manager's own link to a device that no adapter has heard.
func TestCloseStaleKeepsALinkToADeviceNeverHeard(t *testing.T) {
	inBubble(t, testCloseStaleKeepsALink)
}

func testCloseStaleKeepsALink(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true}, nil, nil)
	l.device(1)
	c := l.establish(1, nil)
	if _, ok := l.m.Device(address(1).String()); ok {
		t.Fatal("the device was heard")
	}
	if err := l.m.CloseStale(t.Context(), address(1).String(), true); err != nil || c.Err() != nil {
		t.Errorf("CloseStale: %v; the link: %v, want it up", err, c.Err())
	}
	l.wantLevel(c, 1)
	c.Close()
}
