package connmgr

import (
	"cmp"
	"time"
)

// A device that is carried away is heard by other adapters, and without a judgment on
// the one that has heard it until then, that one would be used for minutes. An adapter
// hears a device as long as its last report is not much older than the newest one of
// another adapter.
const (
	// missedGaps is the number of advertisements that an adapter may miss in a row while
	// another one hears them. They are counted by the gap between those that it has heard:
	// an adapter that misses many has a longer one.
	missedGaps = 8
	// leastMissed is the shortest silence that tells anything: for as long, a radio may be
	// busy with something else.
	leastMissed = 2 * time.Second
)

// reception is how an adapter hears a device.
type reception struct {
	last    time.Time     // when it heard the device as connectable, by the time of its silence; zero: never
	mayMiss time.Duration // how much older last may be than that of another adapter
	hears   bool          // not long ago, and not for that much longer than another one
}

// receptionOf returns how the adapter of d hears the device. newest is the Device of the
// adapter that has heard it last.
func (ds *devices) receptionOf(d, newest *Device, now time.Time) reception {
	gap := cmp.Or(d.gap, newest.gap, maxAdvInterval)
	r := reception{mayMiss: max(missedGaps*gap, leastMissed)}
	if d.accepts.IsZero() {
		return r
	}
	r.last = now.Add(-ds.duty.silence(d.accepts, now))
	r.hears = now.Sub(d.accepts) < outOfDate && ds.duty.silence(d.accepts, newest.accepts) <= r.mayMiss
	return r
}

// visitReception calls f with the Device of each adapter that has heard t, and how that
// hears it. f must neither keep nor change the Device. ds.mu is held.
func (ds *devices) visitReception(t target, f func(d *Device, r reception)) {
	now := time.Now()
	ds.mu.Lock()
	defer ds.mu.Unlock()
	e := ds.heard[t.addr.MAC]
	if e == nil {
		return
	}
	newest := e.lastAccepting(t)
	for _, d := range e.by {
		if t.matches(d.Addr) {
			f(d.Device, ds.receptionOf(d.Device, newest, now))
		}
	}
}

// lastAccepting returns the Device of the adapter that has heard t as connectable last; nil
// if none has heard t.
func (e *entry) lastAccepting(t target) (newest *Device) {
	for _, d := range e.by {
		if t.matches(d.Addr) && (newest == nil || d.accepts.After(newest.accepts)) {
			newest = d.Device
		}
	}
	return newest
}

// hearersOf returns the adapters that hear t.
func (ds *devices) hearersOf(t target) []string {
	names := make([]string, 0, 8)
	ds.visitReception(t, func(d *Device, r reception) {
		if r.hears {
			names = append(names, d.Adapter)
		}
	})
	return names
}

// receptionBy returns how an adapter hears t.
func (ds *devices) receptionBy(t target, adapter string) reception {
	now := time.Now()
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if e := ds.heard[t.addr.MAC]; e != nil {
		if d := e.byAdapter(adapter); d != nil && t.matches(d.Addr) {
			return ds.receptionOf(d, e.lastAccepting(t), now)
		}
	}
	return reception{}
}
