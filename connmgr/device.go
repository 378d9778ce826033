package connmgr

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
)

const (
	// NoRSSI is the value of a signal strength, in dBm, that is not known.
	NoRSSI = -127
	// RSSISwitchThreshold is the number of dB by which another adapter must hear a
	// device more strongly to be preferred to the present one.
	RSSISwitchThreshold = 5
	// alpha is the weight of the newest value in the moving average of RSSI.
	alpha = 0.3
)

// Device holds the last advertisements of one device that one adapter has heard.
type Device struct {
	Addr    hci.Addr // the identity address, if a bond resolves the private one
	OnAir   hci.Addr // the address in the last advertisement
	Name    string
	Adapter string // the adapter that heard the device
	// RSSI is the last signal strength in dBm, Smoothed a moving average; NoRSSI if
	// none is known.
	RSSI, Smoothed int
	Connectable    bool
	Scannable      bool // the device answers requests for its scan response
	Data, Response hci.AdvData
	Seen           time.Time // the time of the last advertisement

	gap     time.Duration // between advertisements, a moving average; 0 if not known
	average float64       // Smoothed before rounding; 0 if not known
	named   bool          // Name is that in Data and Response
	whole   bool          // Name is the complete name
	accepts time.Time     // the time of the last connectable advertisement
	refuses time.Time     // the time of the first advertisement since that is not connectable
}

func newDevice(adapter string) *Device {
	return &Device{Adapter: adapter, RSSI: NoRSSI, Smoothed: NoRSSI}
}

// update enters one report of the device, whose identity address is addr. The adapters
// have listened all the time since full.
func (d *Device) update(addr hci.Addr, r *controller.Report, full time.Time) {
	if !d.Seen.Before(full) {
		d.updateGap(r.Time)
	}
	d.Addr, d.OnAir, d.Connectable, d.Scannable, d.Seen = addr, r.Addr.Identity(), r.Connectable, r.Scannable, r.Time
	d.updateData(r)
	d.updateConnectable(r)
	if r.RSSI == controller.RSSIUnknown || r.RSSI == 0 {
		return
	}
	d.RSSI = int(r.RSSI)
	switch {
	case d.Smoothed == NoRSSI:
		d.average = float64(d.RSSI)
	case d.average == 0: // restored
		d.average = alpha*float64(d.RSSI) + (1-alpha)*float64(d.Smoothed)
	default:
		d.average = alpha*float64(d.RSSI) + (1-alpha)*d.average
	}
	d.Smoothed = int(math.Round(d.average))
}

// updateData enters the data of a report, if it is new, and the name in it. Copies of the
// Device share the data, which is therefore replaced and never overwritten.
func (d *Device) updateData(r *controller.Report) {
	data, response := slices.Equal(d.Data, r.Data), slices.Equal(d.Response, r.Response)
	if data && response && d.named {
		return
	}
	if !data {
		d.Data = slices.Clone(r.Data)
	}
	if !response {
		d.Response = slices.Clone(r.Response)
	}
	d.updateName(r)
	d.named = true
}

// updateName enters the name in a report. A shortened name does not replace the complete
// one, nor a longer form of itself, which may be a complete name that was restored.
func (d *Device) updateName(r *controller.Report) {
	name, whole := r.LocalName()
	if name == "" || !whole && (d.whole || strings.HasPrefix(d.Name, name)) {
		return
	}
	d.Name, d.whole = name, whole
}

// updateConnectable enters whether the device accepts connections.
func (d *Device) updateConnectable(r *controller.Report) {
	switch {
	case r.Connectable:
		d.accepts, d.refuses = r.Time, time.Time{}
	case d.refuses.IsZero():
		d.refuses = r.Time
	}
}

// updateGap enters the time since the last advertisement. Reports that follow faster than
// a device may advertise are of one advertising event.
func (d *Device) updateGap(now time.Time) {
	gap := min(now.Sub(d.Seen), maxAdvInterval)
	if d.Seen.IsZero() || gap < minAdvInterval/2 {
		return
	}
	if d.gap == 0 {
		d.gap = gap
	}
	d.gap = time.Duration(alpha*float64(gap) + (1-alpha)*float64(d.gap))
}

// onAir returns the address to connect to.
func (d *Device) onAir() hci.Addr {
	if d.OnAir == (hci.Addr{}) {
		return d.Addr
	}
	return d.OnAir
}

// Source returns the adapter that heard the device; "" for a device that the program
// has named and no adapter has heard.
func (d *Device) Source() string { return d.Adapter }

// String returns "ADDRESS - NAME -> ADAPTER" for logs, without the parts that are not
// known. Characters of the name that could disturb a terminal or a log are replaced.
func (d *Device) String() string {
	s := d.Addr.MAC.String()
	if d.Name != "" && !strings.EqualFold(d.Name, s) {
		s += " - " + text.Clean(d.Name)
	}
	if d.Adapter != "" {
		s += " -> " + d.Adapter
	}
	return s
}

// target is the device that a call is about. Without known, the kind of its address
// was not given.
type target struct {
	addr  hci.Addr
	known bool
}

func parseTarget(s string) (target, error) {
	a, known, err := hci.ParseAddrKind(s)
	if err != nil {
		return target{}, fmt.Errorf("connmgr: %w", err)
	}
	return target{a, known}, nil
}

// addrOf returns the address of a device, with the kind that an adapter has heard or
// connected to; public if there is neither.
func (m *Manager) addrOf(mac hci.MAC) hci.Addr {
	if a, ok := m.devices.addrOf(mac); ok {
		return a
	}
	return m.links.addrOf(mac)
}

// matches reports whether a is the address of the device.
func (t target) matches(a hci.Addr) bool {
	a = a.Identity()
	return a.MAC == t.addr.MAC && (!t.known || a.Kind == t.addr.Identity().Kind)
}
