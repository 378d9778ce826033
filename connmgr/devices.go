package connmgr

import (
	"cmp"
	"container/list"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

const (
	// maxDevices bounds how many devices are remembered. The device heard longest ago is
	// forgotten first, but not while it is on air.
	maxDevices = 4096
	// mostDevices bounds the number of devices even if all are on air, as when a device
	// changes its address with each advertisement.
	mostDevices = 4 * maxDevices
	// outOfDate is the age, compared to the newest report of a device by any adapter,
	// from which an adapter's report no longer counts. Home Assistant keeps connectable
	// devices as long.
	outOfDate = 195 * time.Second
)

// devices is the memory of the devices heard.
type devices struct {
	mu      sync.Mutex
	heard   map[hci.MAC]*entry // guarded by mu, as all below
	oldest  *list.List         // of *entry, the one heard longest ago first
	news    bool               // whether any device was heard since the last snapshot
	waiters map[hci.MAC][]*waiter
}

// entry is the memory of one device.
type entry struct {
	mac       hci.MAC
	by        []*Device // one for each adapter that has heard the device
	seen      time.Time // by any adapter
	preferred string    // the adapter that Manager.Device returned last
	place     *list.Element
}

// waiter waits for a report of a device.
type waiter struct {
	target
	// wants decides whether a report ends the wait; nil accepts each. It must not block.
	wants func(adapter string, r *controller.Report) bool
	// all includes reports that are not connectable.
	all   bool
	heard chan struct{} // closed at the end of the wait
}

func newDevices() *devices {
	return &devices{heard: map[hci.MAC]*entry{}, oldest: list.New(), waiters: map[hci.MAC][]*waiter{}}
}

// byAdapter returns the Device of an adapter; nil if the adapter has not heard it.
func (e *entry) byAdapter(name string) *Device {
	for _, d := range e.by {
		if d.Adapter == name {
			return d
		}
	}
	return nil
}

// addReport enters a report of the device with an identity address.
func (ds *devices) addReport(adapter string, addr hci.Addr, r *controller.Report) {
	if addr.Kind == hci.AddrAnonymous {
		return
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	e := ds.heard[addr.MAC]
	if e == nil {
		e = &entry{mac: addr.MAC}
		e.place = ds.oldest.PushBack(e)
		ds.heard[addr.MAC] = e
	}
	d := e.byAdapter(adapter)
	if d == nil {
		d = newDevice(adapter)
		e.by = append(e.by, d)
	}
	ds.news = true
	d.update(addr, r)
	e.seen = r.Time
	ds.oldest.MoveToBack(e.place)
	ds.forgetLocked(r.Time)
	for _, w := range slices.Backward(ds.waiters[addr.MAC]) { // endWaitLocked shortens it
		if w.matches(addr) && (r.Connectable || w.all) && (w.wants == nil || w.wants(adapter, r)) {
			ds.endWaitLocked(w)
			close(w.heard)
		}
	}
}

// forgetLocked drops the devices heard longest ago while there are too many. ds.mu must
// be held.
func (ds *devices) forgetLocked(now time.Time) {
	for len(ds.heard) > maxDevices {
		e := ds.oldest.Front().Value.(*entry)
		if now.Sub(e.seen) < lately && len(ds.heard) <= mostDevices {
			return
		}
		ds.oldest.Remove(e.place)
		delete(ds.heard, e.mac)
	}
}

// listLocked returns one entry for each device and adapter. ds.mu must be held.
func (ds *devices) listLocked() []Device {
	all := make([]Device, 0, len(ds.heard))
	for _, e := range ds.heard {
		for _, d := range e.by {
			all = append(all, *d)
		}
	}
	return all
}

// awaitHeard returns a channel that is closed by the next connectable advertisement of
// t, and a function that ends the wait.
func (ds *devices) awaitHeard(t target) (<-chan struct{}, func()) {
	return ds.awaitReport(waiter{target: t})
}

// awaitReport returns a channel that is closed by the next advertisement that w wants,
// and a function that ends the wait.
func (ds *devices) awaitReport(w waiter) (<-chan struct{}, func()) {
	w.heard = make(chan struct{})
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.waiters[w.addr.MAC] = append(ds.waiters[w.addr.MAC], &w)
	return w.heard, func() {
		ds.mu.Lock()
		ds.endWaitLocked(&w)
		ds.mu.Unlock()
	}
}

// endWaitLocked removes a waiter. ds.mu must be held.
func (ds *devices) endWaitLocked(w *waiter) {
	rest := slices.DeleteFunc(ds.waiters[w.addr.MAC], func(o *waiter) bool { return o == w })
	if ds.waiters[w.addr.MAC] = rest; len(rest) == 0 {
		delete(ds.waiters, w.addr.MAC)
	}
}

// heardOf returns the Device of each adapter that has heard t, the strongest first.
// Entries that are out of date come last.
func (ds *devices) heardOf(t target) []Device {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	e := ds.heard[t.addr.MAC]
	if e == nil {
		return nil
	}
	var newest time.Time
	for _, d := range e.by {
		if t.matches(d.Addr) {
			newest = latest(newest, d.Seen)
		}
	}
	prospect := func(d *Device) int {
		if newest.Sub(d.Seen) > outOfDate {
			return math.MinInt
		}
		return d.Smoothed
	}
	slices.SortFunc(e.by, func(a, b *Device) int { // hardly changes from call to call
		return cmp.Or(cmp.Compare(prospect(b), prospect(a)), strings.Compare(a.Adapter, b.Adapter))
	})
	found := make([]Device, 0, len(e.by))
	for _, d := range e.by {
		if t.matches(d.Addr) {
			found = append(found, *d)
		}
	}
	return found
}

// visitHeard calls f with the Device of each adapter that has heard t, until f returns
// false, and without a copy: f must neither keep nor change it. ds.mu is held.
func (ds *devices) visitHeard(t target, f func(d *Device) bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	e := ds.heard[t.addr.MAC]
	if e == nil {
		return
	}
	for _, d := range e.by {
		if t.matches(d.Addr) && !f(d) {
			return
		}
	}
}

// isFresh reports whether an adapter has heard t as connectable, not long ago.
func (ds *devices) isFresh(t target, adapter string) (fresh bool) {
	now := time.Now()
	ds.visitHeard(t, func(d *Device) bool {
		fresh = d.Adapter == adapter && d.isFresh(now)
		return !fresh
	})
	return fresh
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// latestOf returns the newest entry of t, of any adapter. With connectable, entries
// that do not accept connections do not count.
func (ds *devices) latestOf(t target, connectable bool) (d Device, ok bool) {
	ds.visitHeard(t, func(o *Device) bool {
		if (o.Connectable || !connectable) && (!ok || o.Seen.After(d.Seen)) {
			d, ok = *o, true
		}
		return true
	})
	return d, ok
}

// preferAdapter returns the entry of the adapter that it returned last for the device,
// unless the first of found, which is the best, is stronger by RSSISwitchThreshold.
func (ds *devices) preferAdapter(mac hci.MAC, found []Device) Device {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	best, e := found[0], ds.heard[mac]
	if e == nil { // forgotten meanwhile
		return best
	}
	i := slices.IndexFunc(found, func(d Device) bool { return d.Adapter == e.preferred })
	if i >= 0 && best.Smoothed-found[i].Smoothed < RSSISwitchThreshold {
		best = found[i]
	}
	e.preferred = best.Adapter
	return best
}

// restoreDevices enters devices from an earlier run, except those that have been heard
// since.
func (ds *devices) restoreDevices(all []Device) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range all {
		e := ds.heard[d.Addr.MAC]
		if e == nil {
			if len(ds.heard) >= maxDevices {
				continue
			}
			e = &entry{mac: d.Addr.MAC}
			ds.heard[d.Addr.MAC] = e
		}
		if e.byAdapter(d.Adapter) == nil {
			if d.Connectable {
				d.accepts = d.Seen
			}
			e.by = append(e.by, &d)
			e.seen = latest(e.seen, d.Seen)
			ds.news = true
		}
	}
	entries := make([]*entry, 0, len(ds.heard))
	for _, e := range ds.heard {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return a.seen.Compare(b.seen) })
	ds.oldest.Init()
	for _, e := range entries {
		e.place = ds.oldest.PushBack(e)
	}
}

// takeSnapshot returns all devices, and whether any has been heard since the
// last call.
func (ds *devices) takeSnapshot() (all []Device, news bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	news, ds.news = ds.news, false
	return ds.listLocked(), news
}

// Devices returns all devices heard, one entry for each device and adapter, ordered by
// address.
func (m *Manager) Devices() []Device {
	m.devices.mu.Lock()
	all := m.devices.listLocked()
	m.devices.mu.Unlock()
	sortDevices(all)
	return all
}

// sortDevices orders devices by address.
func sortDevices(all []Device) {
	slices.SortFunc(all, func(a, b Device) int {
		return cmp.Or(cmp.Compare(a.Addr.MAC.String(), b.Addr.MAC.String()), cmp.Compare(a.Adapter, b.Adapter))
	})
}

// Device returns the device with an address, as the adapter with the best reception
// knows it: for a connected device the adapter of the link; otherwise the one of the
// previous call, unless another adapter hears the device 5 dB more strongly.
func (m *Manager) Device(address string) (Device, bool) {
	t, err := parseTarget(address)
	if err != nil {
		return Device{}, false
	}
	found := m.devices.heardOf(t)
	if len(found) == 0 {
		return Device{}, false
	}
	if l := m.links.findLink(t); l != nil {
		if i := slices.IndexFunc(found, func(d Device) bool { return d.Adapter == l.adapter.name }); i >= 0 {
			return found[i], true
		}
	}
	return m.devices.preferAdapter(t.addr.MAC, found), true
}

// DeviceByAdapter returns the device with an address as one adapter knows it.
func (m *Manager) DeviceByAdapter(address, adapter string) (Device, bool) {
	t, err := parseTarget(address)
	if err != nil {
		return Device{}, false
	}
	for _, d := range m.devices.heardOf(t) {
		if d.Adapter == adapter {
			return d, true
		}
	}
	return Device{}, false
}

// RestoreDiscoveries enters devices that the program has kept from an earlier run, so
// that they need not be heard first. Devices heard since stay as they are.
func (m *Manager) RestoreDiscoveries(all []Device) { m.devices.restoreDevices(all) }
