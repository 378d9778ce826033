package connmgr_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// Devices that are away keep no slot from a device that is there, however many they are
// and whoever came first. Each is connected when it comes on air, within the same attempt.
func TestAbsentDevicesKeepNoSlot(t *testing.T) { inBubble(t, testAbsentDevicesKeepNoSlot) }

func testAbsentDevicesKeepNoSlot(t *testing.T) {
	for _, absent := range []int{2, 8} {
		l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 2}})
		l.device(1)
		time.Sleep(2 * second)
		r := l.record()
		begin := time.Now()
		var all sync.WaitGroup
		for n := range absent {
			all.Go(func() {
				c, took := l.begin(10+n, nil)()
				if took < 10*second || took > 13*second {
					t.Errorf("a device that came on air after 10 s was connected after %v", took)
				}
				c.Close()
			})
		}
		time.Sleep(second)
		c, took := l.begin(1, nil)()
		wantAbout(t, "a device on air", took, 0)
		if n := r.count(isFailure); n != 0 {
			t.Errorf("%d failed attempts", n)
		}
		l.wantLevel(c, 1)
		c.Close()
		time.Sleep(10*second - time.Since(begin))
		for n := range absent {
			l.device(10 + n)
		}
		all.Wait()
		if n := r.count(isStart); n != absent+1 || r.count(isFailure) != 0 {
			t.Errorf("%d attempts for %d devices", n, absent+1)
		}
		l.m.Close()
	}
}

// On an adapter of unknown capacity, absent devices beyond those that are dialed wait as
// they do on a full one: each is connected when it comes on air.
func TestManyAbsentDevices(t *testing.T) { inBubble(t, testManyAbsentDevices) }

func testManyAbsentDevices(t *testing.T) {
	const absent = 40
	l := newLab(t, connmgr.Config{})
	l.device(1)
	time.Sleep(2 * second)
	r := l.record()
	begin := time.Now()
	var late [absent]time.Duration // behind the arrival
	var all sync.WaitGroup
	for n := range absent {
		all.Go(func() {
			c, took := l.begin(10+n, nil)()
			late[n] = took - (10*second + time.Duration(n)*second/10)
			c.Close()
		})
	}
	time.Sleep(second)
	c, took := l.begin(1, nil)()
	wantAbout(t, "a device on air", took, 0)
	c.Close()
	time.Sleep(10*second - time.Since(begin))
	for n := range absent {
		l.device(10 + n)
		time.Sleep(second / 10)
	}
	all.Wait()
	// Ten devices a second come. While the initiation changes for one of them, another one may
	// miss advertisements of its own, each of which costs 100 ms.
	var sum time.Duration
	for n, d := range late {
		if sum += d; d < 0 || d > second {
			t.Errorf("device %d: connected %v after its arrival, want at most a second", n, d)
		}
	}
	if mean := sum / absent; mean > second/4 {
		t.Errorf("connected %v after the arrival on average, want at most a quarter of a second", mean)
	}
	if n := r.count(isStart); n != absent+1 || r.count(isFailure) != 0 {
		t.Errorf("%d attempts for %d devices, %d failed", n, absent+1, r.count(isFailure))
	}
}

// A device that stays away fails as one that is not heard, after the same time and number
// of attempts whether or not there is a slot.
func TestAbsentDeviceWithoutASlot(t *testing.T) { inBubble(t, testAbsentDeviceWithoutASlot) }

func testAbsentDeviceWithoutASlot(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	l.device(2)
	time.Sleep(second)
	holder := l.establish(2, nil)
	begin := time.Now()
	e := l.failToEstablish(nil)
	if took := time.Since(begin); e.Category != connmgr.ErrNotFound || len(e.Attempts) != 4 || took != 80*second+750*time.Millisecond {
		t.Errorf("%v after %v and %d attempts, want a device not found after 80.75 s and 4", e, took, len(e.Attempts))
	}
	for _, at := range e.Attempts {
		if at.Phase != connmgr.PhaseDial || at.Adapter != "hci0" {
			t.Errorf("attempt %+v", at)
		}
	}
	l.wantLevel(holder, 2)
}

// A slot that nobody else wants goes to a device that is away: the adapters may hear badly.
func TestAbsentDeviceTakesAFreeSlot(t *testing.T) { inBubble(t, testAbsentDeviceTakesAFreeSlot) }

func testAbsentDeviceTakesAFreeSlot(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	l.device(2)
	time.Sleep(second)
	holder := l.establish(2, nil)
	r := l.record()
	wait := l.begin(1, nil)
	time.Sleep(5 * second)
	if n := r.count(isStart); n != 0 {
		t.Errorf("%d dials without a slot", n)
	}
	holder.Close()
	time.Sleep(time.Millisecond)
	if n := r.count(isStart); n != 1 {
		t.Errorf("%d dials over the free slot", n)
	}
	time.AfterFunc(5*second, func() { l.device(1) })
	c, took := wait()
	wantAbout(t, "a device on air after 10 s", took, 10*second)
	if n := r.count(isFailure); n != 0 {
		t.Errorf("%d failed attempts", n)
	}
	c.Close()
}

// No link is evicted for a device that is away. When the device is heard, it is.
func TestNoEvictionForAnAbsentDevice(t *testing.T) { inBubble(t, testNoEvictionForAnAbsentDevice) }

func testNoEvictionForAnAbsentDevice(t *testing.T) {
	for _, scan := range []bool{true, false} {
		l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}, DisableScan: !scan})
		l.device(2)
		time.Sleep(second)
		idle := l.establish(2, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 30*second)
		defer cancel()
		o := &connmgr.Options{Priority: 1, Evict: true}
		_, _ = l.m.Establish(ctx, address(1).String(), o)
		if up := idle.Err() == nil; up != scan { // without a scan, nobody knows who is there
			t.Errorf("scanning %v: the idle link: %v", scan, idle.Err())
		}
		if !scan {
			l.m.Close()
			continue
		}
		time.AfterFunc(5*second, func() { l.device(1) })
		c, took := l.begin(1, o)()
		wantAbout(t, "a device on air after 5 s", took, 5*second)
		if idle.Err() == nil {
			t.Error("no link was evicted for a device on air")
		}
		c.Close()
		l.m.Close()
	}
}

// Dials to absent devices that each ask for parameters of their own take turns of 3 s. A
// device that advertises every two seconds does not wait for its turn: it is dialed when
// it is heard, and connected at its next advertisement.
func TestAbsentDevicesWithOwnParameters(t *testing.T) {
	inBubble(t, testAbsentDevicesWithOwnParameters)
}

func testAbsentDevicesWithOwnParameters(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for n := range 10 {
		all.Go(func() {
			_, _ = l.m.Establish(ctx, address(10+n).String(), &connmgr.Options{InitialParams: hci.ConnParams{
				IntervalMin: 15 * time.Millisecond, IntervalMax: 15 * time.Millisecond, Timeout: time.Duration(10+n) * 200 * time.Millisecond,
			}})
		})
	}
	time.Sleep(5 * second)
	l.sensorAt(1, 2*second, sim.Temper{})
	c, took := l.begin(1, nil)()
	if took > 4500*time.Millisecond {
		t.Errorf("connected after %v, want two intervals at most", took)
	}
	c.Close()
	cancel()
	all.Wait()
}
