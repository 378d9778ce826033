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
	duty    *duty
	mu      sync.Mutex
	heard   map[hci.MAC]*entry    // guarded by mu, as all below
	oldest  *list.List            // of *entry, the one heard longest ago first
	news    bool                  // whether any device was heard since the last snapshot
	waiters map[hci.MAC][]*waiter // of devices that are not heard; an entry has its own
}

// entry is the memory of one device.
type entry struct {
	mac       hci.MAC
	by        []hearing // one for each adapter that has heard the device
	seen      time.Time // by any adapter
	preferred string    // the adapter that Manager.Device returned last
	place     *list.Element
	waiters   []*waiter
}

// hearing is the Device of an adapter. The name of the adapter is here too, since it is
// compared with each report.
type hearing struct {
	adapter string
	*Device
}

func newDevices(d *duty) *devices {
	return &devices{duty: d, heard: map[hci.MAC]*entry{}, oldest: list.New(), waiters: map[hci.MAC][]*waiter{}}
}

// byAdapter returns the Device of an adapter; nil if the adapter has not heard it.
func (e *entry) byAdapter(name string) *Device {
	for i := range e.by {
		if e.by[i].adapter == name {
			return e.by[i].Device
		}
	}
	return nil
}

// addDevice adds the Device of an adapter.
func (e *entry) addDevice(d *Device) { e.by = append(e.by, hearing{d.Adapter, d}) }

// addReport enters a report of the device with an identity address.
func (ds *devices) addReport(adapter string, addr hci.Addr, r *controller.Report) {
	if addr.Kind == hci.AddrAnonymous {
		return
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	e := ds.heard[addr.MAC]
	if e == nil {
		e = ds.addEntryLocked(addr.MAC)
		e.place = ds.oldest.PushBack(e)
	}
	d := e.byAdapter(adapter)
	if d == nil {
		d = newDevice(adapter)
		e.addDevice(d)
	}
	ds.news = true
	d.update(addr, r, ds.duty.fullSince(r.Time))
	e.seen = r.Time
	ds.oldest.MoveToBack(e.place)
	ds.forgetLocked(r.Time)
	for _, w := range slices.Backward(e.waiters) { // endWaitLocked shortens it
		if w.matches(addr) && (r.Connectable || w.all) && (w.wants == nil || w.wants(adapter, r)) {
			ds.endWaitLocked(w)
			close(w.heard)
		}
	}
}

// addEntryLocked adds an entry, which takes over the waiters. ds.mu must be held.
func (ds *devices) addEntryLocked(mac hci.MAC) *entry {
	e := &entry{mac: mac, waiters: ds.waiters[mac]}
	delete(ds.waiters, mac)
	ds.heard[mac] = e
	return e
}

// forgetLocked drops the devices heard longest ago while there are too many. ds.mu must
// be held.
func (ds *devices) forgetLocked(now time.Time) {
	for len(ds.heard) > maxDevices {
		e := ds.oldest.Front().Value.(*entry)
		if now.Sub(e.seen) < onAirFor && len(ds.heard) <= mostDevices {
			return
		}
		ds.oldest.Remove(e.place)
		delete(ds.heard, e.mac)
		if len(e.waiters) > 0 {
			ds.waiters[e.mac] = e.waiters
		}
	}
}

// listLocked returns one entry for each device and adapter. ds.mu must be held.
func (ds *devices) listLocked() []Device {
	n := 0
	for _, e := range ds.heard {
		n += len(e.by)
	}
	all := make([]Device, 0, n)
	for _, e := range ds.heard {
		for _, h := range e.by {
			all = append(all, *h.Device)
		}
	}
	return all
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
	slices.SortFunc(e.by, func(a, b hearing) int { // hardly changes from call to call
		return cmp.Or(cmp.Compare(prospect(b.Device), prospect(a.Device)), strings.Compare(a.adapter, b.adapter))
	})
	found := make([]Device, 0, len(e.by))
	for _, d := range e.by {
		if t.matches(d.Addr) {
			found = append(found, *d.Device)
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
		if t.matches(d.Addr) && !f(d.Device) {
			return
		}
	}
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
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if newest := ds.latestLocked(t, connectable); newest != nil {
		return *newest, true
	}
	return Device{}, false
}

// latestLocked is latestOf without a copy. ds.mu must be held.
func (ds *devices) latestLocked(t target, connectable bool) (newest *Device) {
	if e := ds.heard[t.addr.MAC]; e != nil {
		for _, d := range e.by {
			if t.matches(d.Addr) && (d.Connectable || !connectable) && (newest == nil || d.Seen.After(newest.Seen)) {
				newest = d.Device
			}
		}
	}
	return newest
}

// addrOf returns the address of a device with its kind; ok is false if no adapter has heard
// it.
func (ds *devices) addrOf(mac hci.MAC) (addr hci.Addr, ok bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if d := ds.latestLocked(target{addr: hci.Addr{MAC: mac}}, false); d != nil {
		return d.Addr, true
	}
	return hci.Addr{}, false
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
			e = ds.addEntryLocked(d.Addr.MAC)
		}
		if e.byAdapter(d.Adapter) == nil {
			if d.Connectable {
				d.accepts = d.Seen
			}
			e.addDevice(&d)
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
// address. While no call waits for a device, the adapters listen a quarter of the time, so
// that most entries are a few seconds old: see the package documentation.
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
		for i := len(a.Addr.MAC) - 1; i >= 0; i-- { // the octet that is written first is the last
			if c := cmp.Compare(a.Addr.MAC[i], b.Addr.MAC[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.Adapter, b.Adapter)
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
