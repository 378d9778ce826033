package connmgr

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

const (
	// maxDevices bounds how many devices are remembered. Those heard longest ago are
	// forgotten first.
	maxDevices = 4096
	// outOfDate is the age, compared to the newest report of a device by any adapter,
	// from which an adapter's report no longer counts. Home Assistant keeps connectable
	// devices as long.
	outOfDate = 195 * time.Second
)

// devices is the memory of the devices heard, by device and adapter.
type devices struct {
	mu      sync.Mutex
	heard   map[hci.MAC]map[string]*Device // by adapter; guarded by mu, as all below
	count   int
	news    bool // whether any device was heard since the last snapshot
	waiters map[chan struct{}]waiter
}

// waiter waits for a connectable report of a device.
type waiter struct {
	target
	// wants decides whether a report ends the wait; nil accepts each. It must not block.
	wants func(adapter string, r *controller.Report) bool
}

func newDevices() *devices {
	return &devices{heard: map[hci.MAC]map[string]*Device{}, waiters: map[chan struct{}]waiter{}}
}

// addReport enters a report of the device with an identity address.
func (ds *devices) addReport(adapter string, addr hci.Addr, r *controller.Report) {
	if addr.Kind == hci.AddrAnonymous {
		return
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	by := ds.heard[addr.MAC]
	if by == nil {
		by = map[string]*Device{}
		ds.heard[addr.MAC] = by
	}
	d := by[adapter]
	if d == nil {
		d = newDevice(adapter)
		by[adapter] = d
		ds.count++
	}
	ds.news = true
	d.update(addr, r)
	if ds.count > maxDevices {
		ds.forgetLocked()
	}
	if r.Connectable {
		for ch, w := range ds.waiters {
			if w.matches(addr) && (w.wants == nil || w.wants(adapter, r)) {
				delete(ds.waiters, ch)
				close(ch)
			}
		}
	}
}

// forgetLocked drops the quarter of the devices that was heard longest ago.
func (ds *devices) forgetLocked() {
	all := ds.listLocked()
	slices.SortFunc(all, func(a, b Device) int { return a.Seen.Compare(b.Seen) })
	for _, d := range all[:len(all)/4] {
		by := ds.heard[d.Addr.MAC]
		delete(by, d.Adapter)
		ds.count--
		if len(by) == 0 {
			delete(ds.heard, d.Addr.MAC)
		}
	}
}

func (ds *devices) listLocked() []Device {
	all := make([]Device, 0, ds.count)
	for _, by := range ds.heard {
		for _, d := range by {
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

// awaitReport returns a channel that is closed by the next connectable advertisement
// that w wants, and a function that ends the wait.
func (ds *devices) awaitReport(w waiter) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	ds.mu.Lock()
	ds.waiters[ch] = w
	ds.mu.Unlock()
	return ch, func() {
		ds.mu.Lock()
		delete(ds.waiters, ch)
		ds.mu.Unlock()
	}
}

// heardOf returns what each adapter has heard of t, the strongest first. Entries that
// are out of date come last.
func (ds *devices) heardOf(t target) []Device {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	var found []Device
	for _, d := range ds.heard[t.addr.MAC] {
		if t.matches(d.Addr) {
			found = append(found, *d)
		}
	}
	var newest time.Time
	for _, d := range found {
		if d.Seen.After(newest) {
			newest = d.Seen
		}
	}
	prospect := func(d Device) int {
		if newest.Sub(d.Seen) > outOfDate {
			return math.MinInt
		}
		return d.Smoothed
	}
	slices.SortFunc(found, func(a, b Device) int {
		return cmp.Or(cmp.Compare(prospect(b), prospect(a)), cmp.Compare(a.Adapter, b.Adapter))
	})
	return found
}

// latestOf returns the newest entry of t, of any adapter. With connectable, entries
// that do not accept connections do not count.
func (ds *devices) latestOf(t target, connectable bool) (d Device, ok bool) {
	for _, o := range ds.heardOf(t) {
		if (o.Connectable || !connectable) && (!ok || o.Seen.After(d.Seen)) {
			d, ok = o, true
		}
	}
	return d, ok
}

// restoreDevices enters devices from an earlier run, except those that have been heard
// since.
func (ds *devices) restoreDevices(all []Device) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range all {
		by := ds.heard[d.Addr.MAC]
		if by == nil {
			by = map[string]*Device{}
			ds.heard[d.Addr.MAC] = by
		}
		if by[d.Adapter] == nil && ds.count < maxDevices {
			by[d.Adapter] = &d
			ds.count++
			ds.news = true
		}
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
	best := found[0]
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.preferred[t.addr.MAC]; ok {
		if i := slices.IndexFunc(found, func(d Device) bool { return d.Adapter == last }); i >= 0 &&
			best.Smoothed-found[i].Smoothed < RSSISwitchThreshold {
			best = found[i]
		}
	}
	m.preferred[t.addr.MAC] = best.Adapter
	return best, true
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
