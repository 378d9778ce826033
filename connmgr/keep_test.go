package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
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

// keeper is a kept connection with the record of its states.
type keeper struct {
	*connmgr.Kept
	l     *lab
	begin time.Time

	mu     sync.Mutex
	states []string // "1.0s ready"
}

// keep keeps a connection to device n and records its states.
func (l *lab) keep(n int, o *connmgr.KeepOptions) *keeper {
	l.t.Helper()
	k, err := l.m.Keep(l.t.Context(), address(n).String(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	r := &keeper{Kept: k, l: l, begin: time.Now()}
	statuses := k.Watch(context.Background()) // until the connection ends
	go func() {
		last := connmgr.KeepState("")
		for s := range statuses {
			if s.State == last {
				continue
			}
			last = s.State
			r.mu.Lock()
			r.states = append(r.states, fmt.Sprintf("%.1fs %s", s.Since.Sub(r.begin).Seconds(), s.State))
			r.mu.Unlock()
		}
	}()
	l.t.Cleanup(func() { k.Close() })
	return r
}

// wantStates checks the states since the last call, with the times of their begins.
func (k *keeper) wantStates(want ...string) {
	k.l.t.Helper()
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Equal(k.states, want) {
		k.l.t.Errorf("states\n\t%s\nwant\n\t%s", strings.Join(k.states, "\n\t"), strings.Join(want, "\n\t"))
	}
	k.states = nil
}

// wantCounts checks the counts of attempts, establishes, drops and rests, without a failure.
func (k *keeper) wantCounts(attempts, establishes, drops, rests int) {
	k.l.t.Helper()
	synctest.Wait()
	s := k.Status()
	if got, want := [...]int{s.Attempts, s.Establishes, s.Failures, s.Drops, s.Rests}, [...]int{attempts, establishes, 0, drops, rests}; got != want {
		k.l.t.Errorf("attempts, establishes, failures, drops, rests are %v, want %v; last reason %v", got, want, s.Err)
	}
}

// await waits until the connection is in a state.
func (k *keeper) await(state connmgr.KeepState) connmgr.KeepStatus {
	k.l.t.Helper()
	ctx, cancel := context.WithTimeout(k.l.t.Context(), time.Hour)
	defer cancel()
	for s := range k.Watch(ctx) {
		if s.State == state {
			return s
		}
	}
	k.l.t.Fatalf("the state is %s after an hour, want %s", k.Status().State, state)
	return connmgr.KeepStatus{}
}

// endsLinks makes a device end its link in the given time.
func endsLinks(after time.Duration, times int) sim.Temper {
	return sim.Temper{Rules: []sim.Rule{{On: sim.OnLink, Do: sim.HangUp, Delay: after, Times: times}}}
}

// A link that is lost is made again at once, and everything is freed at the end.
func TestKeepEstablishesAgain(t *testing.T) { inBubble(t, testKeepEstablishesAgain) }

func testKeepEstablishesAgain(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.sensorAt(1, 100*time.Millisecond, endsLinks(time.Minute, 2))
	k := l.keep(1, nil)
	time.Sleep(150 * second)
	k.wantStates("0.0s connecting", "0.0s ready", "60.0s connecting", "60.1s ready", "120.1s connecting", "120.2s ready")
	k.wantCounts(3, 3, 2, 0)
	if s := k.Status(); !errors.Is(s.Err, hci.StatusRemoteUserTerminated) || s.Adapter != "hci0" || s.ErrTime.Sub(k.begin).Round(100*time.Millisecond) != 120100*time.Millisecond {
		t.Errorf("status %+v", s)
	}
	if err := k.Do(t.Context(), func(c *connmgr.Client) error { l.wantLevel(c, 1); return nil }); err != nil {
		t.Error(err)
	}
	k.Close()
	k.wantStates("150.2s ended")
	k.wantCounts(3, 3, 2, 0)
	l.wantNoSlots()
	l.wantNothingLeft()
	if err := k.Err(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended by %v", err)
	}
	var e *connmgr.UnkeptError
	if err := k.Do(t.Context(), func(*connmgr.Client) error { return nil }); !errors.As(err, &e) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want an UnkeptError", err)
	}
}

// The end of the link is lost, and nothing is sent on it. The controller tells of it when it
// is asked, within two minutes.
func TestKeepLostEndOfTheLink(t *testing.T) { inBubble(t, testKeepLostEndOfTheLink) }

func testKeepLostEndOfTheLink(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
	k := l.keep(1, nil)
	time.Sleep(30 * second)
	l.adapters[0].Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
	l.air.SetAway(p, true)
	time.Sleep(20 * second)
	l.air.SetAway(p, false)
	time.Sleep(100 * second)
	if s := k.Status(); s.State != connmgr.KeepReady || s.Drops != 1 || !errors.Is(s.Err, controller.ErrEventLost) {
		t.Errorf("state %s after %d drops, the last by %v; want ready after one by a lost event", s.State, s.Drops, s.Err)
	}
	if err := k.Do(t.Context(), func(c *connmgr.Client) error { l.wantLevel(c, 1); return nil }); err != nil {
		t.Error(err)
	}
}

// A device that ends each link at once is not hammered: the waits double up to a minute,
// whatever it advertises.
func TestKeepPacesADeviceThatDrops(t *testing.T) { inBubble(t, testKeepPacesADeviceThatDrops) }

func testKeepPacesADeviceThatDrops(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.sensorAt(1, 100*time.Millisecond, endsLinks(2*second, 0))
	k := l.keep(1, nil)
	var ends []time.Time
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var waits []string
	for s := range k.Watch(ctx) {
		if s.State == connmgr.KeepWaiting && (len(ends) == 0 || !s.ErrTime.Equal(ends[len(ends)-1])) {
			ends = append(ends, s.ErrTime)
			waits = append(waits, s.Until.Sub(s.ErrTime).String())
		}
	}
	if want := []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s", "1m0s", "1m0s", "1m0s", "1m0s", "1m0s", "1m0s", "1m0s"}; !slices.Equal(waits, want) {
		t.Errorf("%d waits %v, want %v", len(waits), waits, want)
	}
	k.wantCounts(15, 15, 15, 0)
}

// The waits begin anew after a link that has lasted 30 s, and a link that has ended with
// its adapter does not count against the device.
func TestKeepAdapterUnplugged(t *testing.T) { inBubble(t, testKeepAdapterUnplugged) }

func testKeepAdapterUnplugged(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	k := l.keep(1, nil)
	sub := k.Subscribe(battery, level, nil)
	k.await(connmgr.KeepReady)
	for range 3 { // soon after each other
		time.Sleep(10 * second)
		l.unplug(0)
		time.AfterFunc(5*second, func() { l.plug(0) })
		k.await(connmgr.KeepConnecting)
		k.await(connmgr.KeepReady)
	}
	time.Sleep(40 * second)
	// The adapter is opened again after 0, 0, 0.25, 1.25 and 5.25 s, then after 15 and 30 s.
	k.wantStates("0.0s connecting", "0.1s ready", "10.1s connecting", "15.4s ready",
		"25.4s connecting", "40.5s ready", "50.5s connecting", "80.6s ready")
	k.wantCounts(4, 4, 3, 0)
	wantInterruptions(t, sub, "unplugged", "again", "unplugged", "again", "unplugged", "again")
	l.unplug(0)
	time.Sleep(3 * time.Minute) // Policy.AdapterTimeout is one minute
	s := k.Status()
	if !errors.Is(s.Err, connmgr.ErrNoAdapter) || s.Establishes != 4 || s.Failures != 2 || s.Drops != 4 {
		t.Errorf("without an adapter: %+v", s)
	}
	l.plug(0)
	k.await(connmgr.KeepReady)
	k.Close()
}

// wantInterruptions reads the interruptions that wait, each by a part of its reason;
// "again" means that values come again. Values in between count as "value XX".
func wantInterruptions(t *testing.T, s *connmgr.KeptSubscription, want ...string) {
	t.Helper()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for v, err := range s.All(ctx) {
		e, ok := errors.AsType[*connmgr.InterruptedError](err)
		switch {
		case err == nil:
			got = append(got, fmt.Sprintf("value %02x", v.Data))
		case ok && e.Err == nil:
			got = append(got, "again")
		case ok:
			got = append(got, e.Err.Error())
		}
	}
	same := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		same = same && strings.Contains(got[i], want[i])
	}
	if !same {
		t.Errorf("interruptions and values\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// A device that rests is connected to when it has rested, with the waits of the policy
// first, and then those of Keep.
func TestKeepDeviceThatRests(t *testing.T) { inBubble(t, testKeepDeviceThatRests) }

func testKeepDeviceThatRests(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.sensorAt(1, 100*time.Millisecond, resting(0x13, 5*time.Minute))
	k := l.keep(1, nil)
	k.await(connmgr.KeepReady)
	s := k.Status()
	if s.Establishes != 1 || s.Drops != 0 || s.Failures != 5 || !errors.Is(s.Err, connmgr.ErrAborted) {
		t.Errorf("status %+v", s)
	}
	k.wantStates("0.0s connecting", "48.7s waiting", "49.7s connecting", "98.3s waiting", "100.3s connecting",
		"149.0s waiting", "153.0s connecting", "201.7s waiting", "209.7s connecting", "258.5s waiting", "274.5s connecting", "302.9s ready")
}

// An advertisement of a device that was away ends the wait.
func TestKeepDeviceThatWasAway(t *testing.T) { inBubble(t, testKeepDeviceThatWasAway) }

func testKeepDeviceThatWasAway(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	k := l.keep(1, nil)
	k.await(connmgr.KeepReady)
	time.Sleep(time.Minute)
	l.air.SetAway(p, true)
	time.Sleep(30 * time.Minute)
	s := k.await(connmgr.KeepWaiting) // for a minute
	time.Sleep(10 * second)
	l.air.SetAway(p, false)
	back := time.Now()
	r := k.await(connmgr.KeepReady)
	if took := r.Since.Sub(back); took > second || s.Until.Sub(s.Since) != time.Minute {
		t.Errorf("ready %v after the device was back, in a wait of %v", took, s.Until.Sub(s.Since))
	}
	if s := k.Status(); s.Drops != 1 || s.Establishes != 2 || s.Failures < 10 {
		t.Errorf("status %+v", s)
	}
}

// A device whose firmware changes its table on the link is subscribed to again; the
// program is told of each interruption, also of a characteristic that is gone.
func TestKeepTableChanges(t *testing.T) { inBubble(t, testKeepTableChanges) }

func testKeepTableChanges(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	bat := gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{1}}}}
	p := l.put(&sim.PeripheralConfig{Name: "lamp", Address: address(1), Services: []gatt.ServiceDef{sim.GenericAccess("lamp"), sim.GenericAttribute(true, true), bat}})
	k := l.keep(1, nil)
	sub := k.Subscribe(battery, level, nil)
	k.await(connmgr.KeepReady)
	time.Sleep(10 * second)
	notify := func(v byte) {
		t.Helper()
		h, ok := p.Server().Handle(battery, level)
		if !ok {
			t.Fatal("the device has no level")
		}
		if n, err := p.Server().Notify(t.Context(), h, []byte{v}); err != nil || n != 1 {
			t.Errorf("notified %d, %v", n, err)
		}
		time.Sleep(second)
	}
	services := func(before ...gatt.ServiceDef) {
		t.Helper()
		if err := p.Server().SetServices(t.Context(), append([]gatt.ServiceDef{sim.GenericAccess("lamp"), sim.GenericAttribute(true, true)}, before...)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * second)
	}
	notify(0x10)
	services(gatt.ServiceDef{UUID: gatt.UUID16(0xFE59), Characteristics: []gatt.CharDef{{UUID: gatt.UUID16(0xFE5A), Properties: gatt.PropRead}}}, bat)
	notify(0x11)
	if s := k.Status(); s.Subscribed != 1 || s.Subscriptions != 1 {
		t.Errorf("after the change: %+v", s)
	}
	services() // as a bootloader
	if s := k.Status(); s.Subscribed != 0 || s.Subscriptions != 1 || s.State != connmgr.KeepReady {
		t.Errorf("without the service: %+v", s)
	}
	services(bat)
	notify(0x12)
	wantInterruptions(t, sub, "value 10", "changed", "again", "value 11", "changed", "not found", "again", "value 12")
	k.wantCounts(1, 1, 0, 0)
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	if s := k.Status(); s.Subscribed != 0 || s.Subscriptions != 0 {
		t.Errorf("after Close: %+v", s)
	}
	if _, err := sub.Next(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
