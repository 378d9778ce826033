//go:build !minimal

package dashboard

import (
	"cmp"
	"slices"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/proxy"
)

const (
	// maxShown is how many devices a state lists: those that are heard best.
	maxShown = 250
	// maxValues is how many values of a device a state lists.
	maxValues = 8
)

// state is what the page shows.
type state struct {
	Name     string         `json:"name"`
	MAC      hci.MAC        `json:"mac"`
	Version  string         `json:"version"`
	Now      time.Time      `json:"now"`
	Since    time.Time      `json:"since"`
	Scan     string         `json:"scan"` // idle, passive or active
	Slots    slotsState     `json:"slots"`
	Adapters []adapterState `json:"adapters"`
	Clients  []clientState  `json:"clients"`
	Links    []linkState    `json:"links"`
	// Devices are those on air that are heard best, OnAir their number without a bound.
	Devices  []deviceState `json:"devices"`
	OnAir    int           `json:"on_air"`
	Failures []failure     `json:"failures"` // the latest first
	Reports  uint64        `json:"reports"`  // sent
	Lost     uint64        `json:"lost"`     // messages with reports, and notifications
	// SampleMS is the time between two values of a device's line.
	SampleMS int64 `json:"sample_ms"`
}

type slotsState struct {
	Limit int `json:"limit"`
	Used  int `json:"used"`
}

type adapterState struct {
	Name     string   `json:"name"`
	Address  *hci.MAC `json:"address,omitempty"`
	State    string   `json:"state"`
	Error    string   `json:"error,omitempty"`
	Scanning bool     `json:"scanning"`
	Used     int      `json:"used"`
	Slots    *int     `json:"slots"` // null while it is not known
}

type clientState struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	Since   time.Time `json:"since"`
	Reports bool      `json:"reports"`
	Links   int       `json:"links"`
	Lost    uint64    `json:"lost"`
}

type linkState struct {
	Address hci.Addr  `json:"address"`
	Name    string    `json:"name,omitempty"`
	Client  string    `json:"client"`
	Adapter string    `json:"adapter,omitempty"`
	Since   time.Time `json:"since"`
	Up      bool      `json:"up"`
}

type deviceState struct {
	Address hci.Addr `json:"address"`
	Name    string   `json:"name,omitempty"`
	Adapter string   `json:"adapter"`
	RSSI    int      `json:"rssi"`
	AgeMS   int64    `json:"age_ms"` // of the last advertisement
	Values  []string `json:"values,omitempty"`
	Line    []int8   `json:"line"` // dBm, the oldest first; 0 where it was not heard
}

// state returns the state as it is now.
func (d *Dashboard) state() *state {
	now := time.Now()
	all := d.cfg.Manager.Devices()
	stats := d.cfg.Server.Stats()
	s := &state{
		Name: d.cfg.Name, MAC: d.cfg.MAC, Version: d.cfg.Version, Now: now, Since: d.since, Scan: scanOf(stats),
		Slots: slotsState{stats.SlotLimit, stats.SlotsUsed}, Adapters: []adapterState{}, Clients: []clientState{}, Links: []linkState{},
		Devices: []deviceState{}, Failures: []failure{}, Reports: stats.Sent, Lost: stats.Lost + stats.LostValues, SampleMS: sampleTime.Milliseconds(),
	}
	for _, a := range d.cfg.Manager.Adapters() {
		s.Adapters = append(s.Adapters, d.adapterState(a))
	}
	for _, c := range stats.Clients {
		s.Clients = append(s.Clients, clientState{text.Clean(c.Name), c.Address, c.Since, c.Reports, c.Links, c.Lost})
	}
	for _, l := range stats.Links {
		one := linkState{Address: l.Addr, Client: text.Clean(l.Client), Since: l.Since, Up: l.Up}
		if dev, ok := d.cfg.Manager.Device(l.Addr.String()); ok {
			one.Name, one.Adapter = text.Clean(dev.Name), dev.Adapter
		}
		s.Links = append(s.Links, one)
	}
	d.addDevices(s, bestHeard(all, now), now)
	return s
}

// addDevices adds the devices on air and the failures.
func (d *Dashboard) addDevices(s *state, best map[hci.Addr]*connmgr.Device, now time.Time) {
	order := make([]*connmgr.Device, 0, len(best))
	for _, dev := range best {
		order = append(order, dev)
	}
	slices.SortFunc(order, func(a, b *connmgr.Device) int {
		return cmp.Or(cmp.Compare(b.Smoothed, a.Smoothed), cmp.Compare(a.Addr.String(), b.Addr.String()))
	})
	s.OnAir = len(order)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range order[:min(len(order), maxShown)] {
		s.Devices = append(s.Devices, deviceState{
			Address: dev.Addr, Name: text.Clean(dev.Name), Adapter: dev.Adapter, RSSI: dev.Smoothed, AgeMS: now.Sub(dev.Seen).Milliseconds(),
			Values: valuesOf(dev), Line: d.lineLocked(dev.Addr),
		})
	}
	for _, f := range slices.Backward(d.failures) {
		if dev, ok := d.cfg.Manager.Device(f.Address.String()); ok {
			f.Name = text.Clean(dev.Name)
		}
		s.Failures = append(s.Failures, f)
	}
}

func scanOf(st proxy.Stats) string {
	switch {
	case !st.Scanning:
		return "idle"
	case st.Active:
		return "active"
	}
	return "passive"
}

func (d *Dashboard) adapterState(a *connmgr.Adapter) adapterState {
	state, err := a.State()
	usage := d.cfg.Manager.Slots().Usage(a.Name())
	one := adapterState{Name: a.Name(), State: state.String(), Used: usage.Used, Scanning: scans(a)}
	if err == nil {
		err = a.ScanErr()
	}
	if err != nil && (state != connmgr.AdapterUp || !one.Scanning) {
		one.Error = text.Clean(text.DropPackages(err.Error()))
	}
	if c := a.Controller(); c != nil {
		if mac := c.KnownInfo().Public; mac != (hci.MAC{}) {
			one.Address = &mac
		}
	}
	if n := int(usage.Slots); n >= 0 {
		one.Slots = &n
	}
	return one
}

// scans reports whether an adapter hears devices.
func scans(a *connmgr.Adapter) bool {
	state, _ := a.State()
	return state == connmgr.AdapterUp && a.ScanErr() == nil
}

// valuesOf returns the values that a device broadcasts, for people.
func valuesOf(dev *connmgr.Device) (all []string) {
	for _, f := range payload.Decode(dev.Addr, dev.Data, dev.Response, nil) {
		if f.ID != nil {
			all = append(all, text.Clean(f.ID.String()))
		}
		for _, r := range f.Readings {
			all = append(all, text.Clean(r.String()))
		}
		if f.Problem != "" {
			all = append(all, string(f.Format)+": "+string(f.Problem))
		}
	}
	return all[:min(len(all), maxValues)]
}
