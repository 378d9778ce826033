package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestEstablish(t *testing.T) { inBubble(t, testEstablish) }

func testEstablish(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(7)
	c := l.establish(7, nil)
	l.wantLevel(c, 7)
	if c.Adapter() != "hci0" || c.Address() != address(7) || c.Profile() == nil || c.Err() != nil {
		t.Errorf("client on %s to %v, %v", c.Adapter(), c.Address(), c.Err())
	}
	if p := c.Params(); p.Interval != 7500*time.Microsecond {
		t.Errorf("ready at an interval of %v", p.Interval)
	}
	if a := l.m.Slots().Allocations("hci0"); len(a.Allocated) != 1 {
		t.Errorf("slots %+v", a)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	l.wantNoSlots()
	if err := c.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestKindOfAddressIsNotNeeded(t *testing.T) { inBubble(t, testKindOfAddressIsNotNeeded) }

func testKindOfAddressIsNotNeeded(t *testing.T) {
	for _, scan := range []bool{true, false} {
		l := newLab(t, connmgr.Config{DisableScan: !scan})
		l.device(1)
		c, err := l.m.Establish(t.Context(), address(1).MAC.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		l.wantLevel(c, 1)
		c.Close()
		l.m.Close()
	}
}

func TestAbsentDevice(t *testing.T) { inBubble(t, testAbsentDevice) }

func testAbsentDevice(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	begin := time.Now()
	_, err := l.m.Establish(t.Context(), address(9).String(), &connmgr.Options{Name: "ghost"})
	var e *connmgr.EstablishError
	if !errors.Is(err, connmgr.ErrNotFound) || !errors.As(err, &e) || len(e.Attempts) != 4 {
		t.Fatalf("got %v", err)
	}
	for _, at := range e.Attempts {
		if at.Adapter != "hci0" || at.Phase != connmgr.PhaseDial || !errors.Is(at.Err, controller.ErrDialTimeout) {
			t.Errorf("attempt %+v", at)
		}
	}
	// Four times twenty seconds, three waits of a quarter, and HCI's own time.
	if d := time.Since(begin); d < 80750*time.Millisecond || d > 80800*time.Millisecond {
		t.Errorf("took %v", d)
	}
	l.wantNoSlots()
}

func TestControllerThatDoesNotCancel(t *testing.T) { inBubble(t, testControllerThatDoesNotCancel) }

// testControllerThatDoesNotCancel has a controller that does not cancel the dial of an
// absent device and therefore refuses other dials. It is reset if it has no link.
func testControllerThatDoesNotCancel(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLECreateConnectionCancel, Times: sim.Always, Ignore: true})
	fail := func() {
		t.Helper()
		_, err := l.m.Establish(t.Context(), address(9).String(), &connmgr.Options{MaxAttempts: -1})
		if !errors.Is(err, controller.ErrDialTimeout) {
			t.Fatalf("got %v, want the dial's timeout", err)
		}
	}
	fail()
	begin := time.Now()
	c := l.establish(1, nil)
	if d := time.Since(begin); d > time.Second {
		t.Errorf("took %v", d)
	}
	fail()
	for _, a := range []string{address(9).String(), address(9).MAC.String()} { // by itself, and by accept list
		_, err := l.m.Establish(t.Context(), a, &connmgr.Options{MaxAttempts: 10})
		if !errors.Is(err, controller.ErrStillInitiating) || !errors.Is(err, hci.StatusCommandDisallowed) {
			t.Errorf("with a link on the adapter: %v, want ErrStillInitiating", err)
		}
	}
	time.Sleep(second)
	if c.Err() != nil {
		t.Errorf("the link has been given up: %v", c.Err())
	}
	c.Close()
}

func TestFailsToEstablishAtFirst(t *testing.T) { inBubble(t, testFailsToEstablishAtFirst) }

func testFailsToEstablishAtFirst(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	l.adapters[0].Fault(sim.ConnectFault{Times: 2})
	c := l.establish(1, &connmgr.Options{MaxAttempts: -1})
	l.wantLevel(c, 1)
	c.Close()
}

func TestLinkIsShared(t *testing.T) { inBubble(t, testLinkIsShared) }

func testLinkIsShared(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	var wg sync.WaitGroup
	clients := make([]*connmgr.Client, 5)
	for i := range clients {
		wg.Go(func() { clients[i] = l.establish(1, nil) })
	}
	wg.Wait()
	if s := l.adapters[0].Stats(); s.Links != 1 {
		t.Errorf("%d links for one device", s.Links)
	}
	for i, c := range clients {
		l.wantLevel(c, 1)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if up := c.Err() == nil; up != (i < len(clients)-1) {
			t.Errorf("after closing %d of 5 the link is up: %v", i+1, up)
		}
	}
	l.wantNoSlots()
}

func TestDeadLinkIsNotAdopted(t *testing.T) { inBubble(t, testDeadLinkIsNotAdopted) }

func testDeadLinkIsNotAdopted(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	dead := l.establish(1, nil)
	l.air.SetAway(p.Controller(), true)
	time.Sleep(100 * time.Millisecond)
	l.air.SetAway(p.Controller(), false)
	p.Controller().Crash() // it has forgotten the link
	if err := p.Host().Advertise(t.Context(), nil); err == nil {
		t.Log("the crashed device took a command")
	}
	q := l.device(1)
	_ = q
	c := l.establish(1, nil)
	l.wantLevel(c, 1)
	if dead.Err() == nil {
		t.Error("the dead link is still there")
	}
	c.Close()
	dead.Close()
}

func TestDisconnectedCallback(t *testing.T) { inBubble(t, testDisconnectedCallback) }

func testDisconnectedCallback(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	ends := make(chan error, 1)
	o := &connmgr.Options{Disconnected: func(_ *connmgr.Client, err error) { ends <- err }}
	l.establish(1, o)
	remote, err := p.Host().Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	remote.Close()
	if err := <-ends; !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("told %v", err)
	}
	c := l.establish(1, o)
	c.Close()
	synctest.Wait()
	select {
	case err := <-ends:
		t.Errorf("told of the client's own Close: %v", err)
	default:
	}
}

// TestCancelInEachPhase ends Establish at many instants, through all phases,
// and looks for what is left.
func TestCancelInEachPhase(t *testing.T) { inBubble(t, testCancelInEachPhase) }

func testCancelInEachPhase(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	mine := errors.New("enough")
	phases := map[connmgr.Phase]int{}
	made := 0
	for d := time.Duration(0); d < 1500*time.Millisecond; d += 7 * time.Millisecond {
		ctx, cancel := context.WithTimeoutCause(t.Context(), d, mine)
		begin := time.Now()
		c, err := l.m.Establish(ctx, address(1).String(), &connmgr.Options{DisableCache: true})
		cancel()
		if took := time.Since(begin); took > d {
			t.Errorf("canceled after %v, it returned after %v", d, took)
		}
		if err == nil {
			made++
			c.Close()
		} else {
			var e *connmgr.EstablishError
			if !errors.Is(err, mine) || !errors.As(err, &e) {
				t.Fatalf("after %v: %v", d, err)
			}
			if len(e.Attempts) > 0 {
				phases[e.Attempts[len(e.Attempts)-1].Phase]++
			}
		}
		time.Sleep(3 * second)
		l.wantNoSlots()
		if s := l.adapters[0].Stats(); s.Links != 0 {
			t.Fatalf("canceled after %v: a link is left", d)
		}
	}
	for _, p := range []connmgr.Phase{connmgr.PhaseDial, connmgr.PhaseDiscover} {
		if phases[p] == 0 {
			t.Errorf("never canceled in phase %q: %v, %d made", p, phases, made)
		}
	}
}

func TestAdapterVanishesAndReturns(t *testing.T) { inBubble(t, testAdapterVanishesAndReturns) }

func testAdapterVanishesAndReturns(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.air.SetPath(l.adapters[0], l.device(1).Controller(), sim.Path{RSSI: -40})
	time.Sleep(2 * second)
	c := l.establish(1, nil)
	if c.Adapter() != "hci0" {
		t.Fatalf("on %s, though hci0 hears it better", c.Adapter())
	}
	l.unplug(0)
	<-c.Done()
	if !errors.Is(c.Err(), sim.ErrUnplugged) {
		t.Errorf("the link ended with %v", c.Err())
	}
	c = l.establish(1, nil)
	if c.Adapter() != "hci1" {
		t.Errorf("on %s, while hci0 is away", c.Adapter())
	}
	l.wantLevel(c, 1)
	c.Close()
	l.plug(0)
	time.Sleep(40 * second)
	if s, err := l.m.Adapter("hci0").State(); s != connmgr.AdapterUp {
		t.Errorf("hci0 is %v: %v", s, err)
	}
	if c = l.establish(1, nil); c.Adapter() != "hci0" {
		t.Errorf("on %s, though hci0 is back", c.Adapter())
	}
	c.Close()
}

func TestAdapterVanishesMidDial(t *testing.T) { inBubble(t, testAdapterVanishesMidDial) }

func testAdapterVanishesMidDial(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	time.AfterFunc(3*second, func() { l.adapters[0].Unplug() })
	time.AfterFunc(4*second, func() { l.device(1) })
	c := l.establish(1, nil)
	l.wantLevel(c, 1)
	c.Close()
}

func TestNextAdapterIsTriedAfterFailures(t *testing.T) {
	inBubble(t, testNextAdapterIsTriedAfterFailures)
}

func testNextAdapterIsTriedAfterFailures(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	p := l.device(1)
	l.air.SetPath(l.adapters[0], p.Controller(), sim.Path{RSSI: -50})
	l.air.SetPath(l.adapters[1], p.Controller(), sim.Path{RSSI: -54})
	time.Sleep(2 * second)
	l.adapters[0].Fault(sim.ConnectFault{Times: sim.Always, Status: hci.StatusUnspecified})
	c := l.establish(1, nil)
	if c.Adapter() != "hci1" {
		t.Errorf("on %s", c.Adapter())
	}
	c.Close()
}

// TestManyDials connects 50 devices through 3 adapters with 3 slots each.
func TestManyDials(t *testing.T) { inBubble(t, testManyDials) }

func testManyDials(t *testing.T) {
	cc := &sim.ControllerConfig{MaxLinks: 3}
	l := newLab(t, connmgr.Config{}, cc, cc, cc)
	for n := range 50 {
		l.device(n)
	}
	time.Sleep(2 * second)
	errs := make([]error, 50)
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			c, err := l.m.Establish(t.Context(), address(n).String(), nil)
			if err != nil {
				errs[n] = err
				return
			}
			v, err := c.Read(t.Context(), battery, level)
			if err != nil || v[0] != byte(n) {
				errs[n] = fmt.Errorf("read % x: %w", v, err)
			}
			time.Sleep(2 * second)
			c.Close()
		})
	}
	begin := time.Now()
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	l.wantNoSlots()
}

func TestRequiredCharacteristicMissing(t *testing.T) {
	inBubble(t, testRequiredCharacteristicMissing)
}

func testRequiredCharacteristicMissing(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	c := l.establish(1, nil)
	c.Close()
	wanted := gatt.UUID16(0x2AFF)
	o := &connmgr.Options{Require: []connmgr.Requirement{{Service: battery, Characteristics: []gatt.UUID{wanted}}}}
	_, err := l.m.Establish(t.Context(), address(1).String(), o)
	var miss *connmgr.MissingError
	if !errors.As(err, &miss) || miss.Characteristic != wanted {
		t.Fatalf("got %v", err)
	}
	if err := p.Server().SetServices(t.Context(), []gatt.ServiceDef{{UUID: battery, Characteristics: []gatt.CharDef{
		{UUID: wanted, Properties: gatt.PropRead, Value: []byte{9}},
	}}}); err != nil {
		t.Fatal(err)
	}
	c = l.establish(1, o)
	if v, err := c.Read(t.Context(), battery, wanted); err != nil || v[0] != 9 {
		t.Errorf("read % x, %v", v, err)
	}
	c.Close()
}

func TestWarmReconnect(t *testing.T) { inBubble(t, testWarmReconnect) }

func testWarmReconnect(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	c := l.establish(1, nil)
	c.Close()
	l.requests.Store(0)
	c = l.establish(1, nil)
	if n := l.requests.Load(); n != 2 || !c.Cached() {
		t.Errorf("%d requests, cached %v; want MTU and hash", n, c.Cached())
	}
	l.wantLevel(c, 1)
	c.Close()
}

func TestTableChangedWhileAway(t *testing.T) { inBubble(t, testTableChangedWhileAway) }

func testTableChangedWhileAway(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	c := l.establish(1, nil)
	c.Close()
	if err := p.Server().SetServices(t.Context(), []gatt.ServiceDef{
		{UUID: gatt.UUID16(0x180A)},
		{UUID: battery, Characteristics: []gatt.CharDef{{UUID: level, Properties: gatt.PropRead, Value: []byte{55}}}},
	}); err != nil {
		t.Fatal(err)
	}
	c = l.establish(1, nil)
	if c.Cached() {
		t.Error("the stale table is in use")
	}
	l.wantLevel(c, 55)
	c.Close()
}

func TestTableChangesWhileConnected(t *testing.T) { inBubble(t, testTableChangesWhileConnected) }

func testTableChangesWhileConnected(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	c := l.establish(1, nil)
	l.wantLevel(c, 1)
	time.Sleep(2 * second)
	if err := p.Server().SetServices(t.Context(), []gatt.ServiceDef{
		{UUID: gatt.UUID16(0x180A)},
		{UUID: battery, Characteristics: []gatt.CharDef{{UUID: level, Properties: gatt.PropRead, Value: []byte{55}}}},
	}); err != nil {
		t.Fatal(err)
	}
	l.wantLevel(c, 55)
	time.Sleep(second)
	if len(c.Profile().Services) != 4 {
		t.Errorf("the table in use is the old one: %+v", c.Profile())
	}
	c.Close()
	l.requests.Store(0)
	c = l.establish(1, nil)
	if n := l.requests.Load(); n != 2 {
		t.Errorf("%d requests: the new table was not cached", n)
	}
	l.wantLevel(c, 55)
	c.Close()
}

func TestStateIsKeptOnDisk(t *testing.T) { inBubble(t, testStateIsKeptOnDisk) }

func testStateIsKeptOnDisk(t *testing.T) {
	dir := t.TempDir()
	first := newLab(t, connmgr.Config{StateDir: dir})
	first.device(1)
	c := first.establish(1, nil)
	c.Close()
	first.m.Close()
	second := newLab(t, connmgr.Config{StateDir: dir, DisableScan: true})
	d, ok := second.m.Device(address(1).String())
	if !ok || d.Name != "sensor 1" || d.Source() != "hci0" || d.String() != "C0:FE:00:00:00:01 - sensor 1 -> hci0" {
		t.Errorf("device %v, %v", &d, ok)
	}
	second.device(1)
	c = second.establish(1, nil)
	if !c.Cached() {
		t.Error("the table was not kept")
	}
	if !second.m.ClearCache(address(1).MAC.String()) || second.m.ClearCache(address(1).MAC.String()) {
		t.Error("the table could not be forgotten, or twice")
	}
	c.Close()
}
