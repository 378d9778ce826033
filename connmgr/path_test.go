package connmgr_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// outOfRange takes a device out of the range of an adapter.
func (l *lab) outOfRange(adapter int, p sim.Node) {
	l.air.SetPath(l.adapters[adapter], p, sim.Path{Loss: 1})
}

// record collects the events of the Manager until the test ends.
func (l *lab) record() *recorder {
	r := &recorder{}
	events := l.m.Events(l.t.Context())
	go func() {
		for ev := range events {
			r.mu.Lock()
			r.events = append(r.events, ev)
			r.mu.Unlock()
		}
	}()
	return r
}

type recorder struct {
	mu     sync.Mutex
	events []connmgr.Event
}

// count returns how many events match.
func (r *recorder) count(match func(connmgr.Event) bool) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		if match(ev) {
			n++
		}
	}
	return n
}

func isFailure(ev connmgr.Event) bool { _, ok := ev.(connmgr.AttemptFailed); return ok }
func isStart(ev connmgr.Event) bool   { _, ok := ev.(connmgr.AttemptStarted); return ok }
func isAwaited(ev connmgr.Event) bool { _, ok := ev.(connmgr.SlotAwaited); return ok }

// wantAbout checks a duration to within half a second, the time of a connect.
func wantAbout(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+second/2 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// A dial that began before any adapter had heard the device moves to the adapter that
// hears it, within the same attempt.
func TestDialMovesToTheAdapterThatHears(t *testing.T) { inBubble(t, testDialMoves) }

func testDialMoves(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	ev := l.record()
	wait := l.begin(1, nil)
	time.Sleep(3 * second)
	p := l.device(1)
	l.outOfRange(0, p)
	c, took := wait()
	if c.Adapter() != "hci1" {
		t.Errorf("connected over %s", c.Adapter())
	}
	wantAbout(t, "a device on air after 3 s", took, 3*second)
	if s, f := ev.count(isStart), ev.count(isFailure); s != 1 || f != 0 {
		t.Errorf("%d attempts, %d failures; want one attempt", s, f)
	}
	c.Close()
}

// The program of README: the device is on air, and only the second adapter hears it.
func TestSecondAdapterIsFoundAtOnce(t *testing.T) { inBubble(t, testSecondAdapterIsFound) }

func testSecondAdapterIsFound(t *testing.T) {
	l := &lab{t: t, air: sim.New(&sim.Config{Seed: 1})}
	defer l.air.Close()
	l.adapters = []*sim.Controller{
		l.air.NewController(&sim.ControllerConfig{Name: "hci0"}), l.air.NewController(&sim.ControllerConfig{Name: "hci1"}),
	}
	l.outOfRange(0, l.device(1))
	time.Sleep(second)
	begin := time.Now()
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0", "hci1"}, Kinds: []connmgr.Kind{{Open: l.air.OpenTransport}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.Establish(t.Context(), address(1).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > second || c.Adapter() != "hci1" {
		t.Errorf("connected over %s after %v", c.Adapter(), took)
	}
	c.Close()
}

// nearAndFar is a lab whose adapter hci0 hears the devices n and hci1 does not; hci0 is
// full with the devices 10 and 11.
func nearAndFar(t *testing.T, devices ...int) (l *lab, full []*connmgr.Client) {
	l = newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 2, "hci1": 2}}, nil, nil)
	for _, n := range []int{10, 11} {
		l.device(n)
	}
	time.Sleep(second)
	for _, n := range []int{10, 11} {
		full = append(full, l.establish(n, &connmgr.Options{Adapter: "hci0", Priority: 5}))
	}
	for _, n := range devices {
		l.outOfRange(1, l.device(n))
	}
	time.Sleep(2 * second)
	return l, full
}

// A device waits for a slot of the adapter that hears it, although another adapter has
// free slots.
func TestFullAdapterThatHearsBeatsOneThatDoesNot(t *testing.T) { inBubble(t, testFullAdapter) }

func testFullAdapter(t *testing.T) {
	l, full := nearAndFar(t, 1)
	ev := l.record()
	time.AfterFunc(2*second, func() { full[0].Close() })
	wait := l.begin(1, nil)
	c, took := wait()
	if c.Adapter() != "hci0" {
		t.Errorf("connected over %s", c.Adapter())
	}
	wantAbout(t, "a slot after 2 s", took, 2*second)
	if f, s := ev.count(isFailure), ev.count(isAwaited); f != 0 || s != 1 {
		t.Errorf("%d failures and %d events of a wait, want 0 and 1", f, s)
	}
	c.Close()
	full[1].Close()
}

// No link is evicted on an adapter that does not hear the device.
func TestEvictionOnlyWhereItHelps(t *testing.T) { inBubble(t, testEvictionHelps) }

func testEvictionHelps(t *testing.T) {
	l, full := nearAndFar(t, 1)
	var innocent []*connmgr.Client
	for _, n := range []int{20, 21} {
		l.device(n)
		innocent = append(innocent, l.establish(n, &connmgr.Options{Adapter: "hci1"}))
	}
	time.AfterFunc(3*second, func() { full[0].Close() })
	wait := l.begin(1, &connmgr.Options{Priority: 1, Evict: true})
	c, took := wait()
	wantAbout(t, "a slot after 3 s", took, 3*second)
	for _, o := range innocent {
		if err := o.Err(); err != nil {
			t.Errorf("a link on the adapter that does not hear the device ended: %v", err)
		}
		o.Close()
	}
	c.Close()
	full[1].Close()
}

// Dials to devices that sleep do not drive a device to an adapter out of its range.
func TestSleepersDriveNobodyAway(t *testing.T) { inBubble(t, testSleepers) }

func testSleepers(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for n := range 24 {
		wg.Go(func() {
			if c, err := l.m.Establish(ctx, address(100+n).String(), &connmgr.Options{Adapter: "hci0"}); err == nil {
				c.Close()
			}
		})
	}
	p := l.device(1)
	l.air.SetPath(l.adapters[0], p, sim.Path{RSSI: -80})
	l.outOfRange(1, p)
	time.Sleep(2 * second)
	c, took := l.begin(1, nil)()
	if c.Adapter() != "hci0" {
		t.Errorf("connected over %s", c.Adapter())
	}
	wantAbout(t, "a device in range", took, 0)
	c.Close()
	cancel()
	wg.Wait()
}

// An adapter that comes up serves the devices that wait for a slot of another one.
func TestAdapterThatComesUpServesWaiters(t *testing.T) { inBubble(t, testAdapterComesUp) }

func testAdapterComesUp(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}}, nil, nil)
	time.Sleep(second)
	l.unplug(1)
	l.device(1)
	l.device(2)
	first := l.establish(1, nil)
	time.Sleep(40 * second) // the adapter is tried every 30 s
	begin := time.Now()
	wait := l.begin(2, nil)
	l.plug(1)
	var up time.Duration
	for ev := range l.m.Events(t.Context()) {
		if a, ok := ev.(connmgr.AdapterChanged); ok && a.State == connmgr.AdapterUp {
			up = time.Since(begin)
			break
		}
	}
	c, took := wait()
	if up < 3*second || took > up+second || c.Adapter() != "hci1" {
		t.Errorf("the adapter is up after %v, the device connected over %s after %v", up, c.Adapter(), took)
	}
	c.Close()
	first.Close()
}

// The longest waiter gets the slot, also between two of its attempts.
func TestLongestWaiterGetsTheSlot(t *testing.T) { inBubble(t, testLongestWaiter) }

func testLongestWaiter(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	for n := range 3 {
		l.device(n)
	}
	time.Sleep(second)
	holder := l.establish(0, nil)
	time.AfterFunc(21*second, func() { holder.Close() })
	first := l.begin(1, nil)
	time.Sleep(19 * second)
	next := l.begin(2, nil)
	c, took := first()
	wantAbout(t, "a slot after 21 s", took, 21*second)
	time.AfterFunc(second, func() { c.Close() })
	o, took := next()
	wantAbout(t, "the second waiter", took, 3*second)
	o.Close()
}

// A caller of high priority raises the dial to its device that another caller has begun.
func TestPriorityIsInherited(t *testing.T) { inBubble(t, testPriorityIsInherited) }

func testPriorityIsInherited(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	for n := range 3 {
		l.device(n)
	}
	time.Sleep(second)
	holder := l.establish(0, &connmgr.Options{Priority: 3})
	before := l.begin(2, &connmgr.Options{Priority: 1})
	time.Sleep(second)
	low := l.begin(1, nil)
	time.Sleep(second)
	c, took := l.begin(1, &connmgr.Options{Priority: 10, Evict: true})()
	wantAbout(t, "priority 10", took, 0)
	if holder.Err() == nil {
		t.Error("no link was evicted")
	}
	same, _ := low()
	if same.Conn() != c.Conn() {
		t.Error("the two callers have two links")
	}
	c.Close()
	same.Close()
	o, _ := before()
	o.Close()
	l.wantNoSlots()
}

// A device that advertises as not connectable is waited for as long as any other that may
// pass, and the error says the reason, as the first failed attempt does within seconds.
func TestNotConnectableIsSaid(t *testing.T) { inBubble(t, testNotConnectable) }

func testNotConnectable(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.put(&sim.PeripheralConfig{Name: "beacon", Address: address(1), Advertise: &controller.AdvertiseOptions{NonConnectable: true}})
	const reason = "the device advertises as not connectable"
	for _, first := range []time.Duration{5 * second, 0} {
		begin := time.Now()
		_, err := l.m.Establish(t.Context(), address(1).String(), nil)
		if took := time.Since(begin); took < 45*second || took > 49*second {
			t.Errorf("failed after %v, want 45 s and at most one wait", took)
		}
		const text = ": " + reason + ": wake the device or press its button; it may be connected to another host"
		if err == nil || !strings.HasSuffix(err.Error(), text) {
			t.Fatalf("error %v", err)
		}
		e, _ := errors.AsType[*connmgr.EstablishError](err)
		wantAbout(t, "the first attempt failed", e.Attempts[0].Duration, first)
		if got := e.Attempts[0].Err.Error(); got != reason {
			t.Errorf("the first attempt failed: %s", got)
		}
	}
	begin := time.Now()
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{MaxAttempts: 1})
	if took := time.Since(begin); err == nil || took > second/10 {
		t.Errorf("with one attempt: %v after %v", err, took)
	}
}

// A device that accepts connections after a while is connected to at once.
func TestDeviceThatWakesUp(t *testing.T) { inBubble(t, testWakesUp) }

func testWakesUp(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	l.air.SetTemper(p, sim.Temper{Advertising: []sim.AdvChange{{NotConnectable: true}, {At: 30 * second}}})
	time.Sleep(10 * second)
	wait := l.begin(1, nil)
	c, took := wait()
	defer c.Close()
	if took < 20*second || took > 20*second+second/2 {
		t.Errorf("connected after %v, want 20 s", took)
	}
}

// A device that is given with another kind of address than it has fails at once, and the
// error says so.
func TestOtherKindOfAddressIsSaid(t *testing.T) { inBubble(t, testOtherKind) }

func testOtherKind(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	time.AfterFunc(2*second, func() { l.device(1) })
	for _, want := range []time.Duration{2 * second, 0} {
		begin := time.Now()
		_, err := l.m.Establish(t.Context(), address(1).MAC.String()+"/public", nil)
		wantAbout(t, "failed", time.Since(begin), want)
		const text = "C0:FE:00:00:00:01 - C0:FE:00:00:00:01: Failed to connect after 1 attempt(s): " +
			"no device C0:FE:00:00:00:01/public is heard, but C0:FE:00:00:00:01/random is: " +
			"give the address as C0:FE:00:00:00:01/random, or without a kind"
		if err == nil || err.Error() != text {
			t.Errorf("error %v", err)
		}
	}
}

// A device without a required service does not make its adapter the worse one.
func TestMissingServiceDoesNotBlameTheAdapter(t *testing.T) { inBubble(t, testMissingService) }

func testMissingService(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	p := l.device(1)
	l.air.SetPath(l.adapters[1], p, sim.Path{RSSI: -90})
	time.Sleep(2 * second)
	for range 3 {
		if _, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{
			Policy: once(), Require: []connmgr.Requirement{{Service: gatt.UUID16(0x1234)}},
		}); err == nil {
			t.Fatal("connected without the service")
		}
	}
	time.Sleep(2 * second)
	c := l.establish(1, nil)
	if c.Adapter() != "hci0" {
		t.Errorf("connected over %s, which hears the device at -90 dBm", c.Adapter())
	}
	c.Close()
}

// An Establish waits for a slot for as long as the policy says, over all of its attempts.
func TestWaitForASlotIsBounded(t *testing.T) { inBubble(t, testWaitForASlotIsBounded) }

func testWaitForASlotIsBounded(t *testing.T) {
	for _, c := range []struct {
		bound    time.Duration
		attempts int
		want     time.Duration
	}{
		{0, 9, 212 * second}, // 9 attempts of 20 s, and 8 waits of 4 s
		{60 * second, 3, 60 * second},
		{30 * second, 2, 30 * second},
		{10 * second, 1, 10 * second},
	} {
		l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
		l.device(1)
		l.device(2)
		time.Sleep(second)
		l.establish(2, nil)
		p := connmgr.DefaultPolicy()
		p.SlotTimeout = c.bound
		r := l.record()
		begin := time.Now()
		e := l.failToEstablish(&connmgr.Options{Policy: &p})
		if took := time.Since(begin); !errors.Is(e, connmgr.ErrOutOfSlots) || len(e.Attempts) != c.attempts || took != c.want {
			t.Errorf("bound %v: %v after %v and %d attempts, want the lack of slots after %v and %d", c.bound, e, took, len(e.Attempts), c.want, c.attempts)
		}
		if n := r.count(isAwaited); n != c.attempts {
			t.Errorf("bound %v: %d slots awaited in %d attempts", c.bound, n, c.attempts)
		}
		l.m.Close()
	}
}

// A device with two advertising sets, not connectable each 100 ms and connectable each 6 to
// 10 s, is connected.
func TestDeviceThatIsRarelyConnectable(t *testing.T) { inBubble(t, testRarelyConnectable) }

func testRarelyConnectable(t *testing.T) {
	for _, every := range []time.Duration{6 * second, 8 * second, 10 * second} {
		for phase := range 3 {
			l := newLab(t, connmgr.Config{})
			l.put(&sim.PeripheralConfig{Name: "beacon", Address: address(1), Advertise: &controller.AdvertiseOptions{NonConnectable: true}})
			l.sensorAt(1, every, sim.Temper{})
			time.Sleep(30*second + time.Duration(phase)*1700*time.Millisecond)
			begin := time.Now()
			c, err := l.m.Establish(t.Context(), address(1).String(), nil)
			if took := time.Since(begin); err != nil || took > every+second {
				t.Errorf("connectable every %v: %v after %v", every, err, took)
			} else {
				c.Close()
			}
			l.m.Close()
		}
	}
}
