package connmgr

import (
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
)

const (
	// NoRSSI stands for a signal strength that is not known, in dBm.
	NoRSSI = -127
	// RSSISwitchThreshold is by how many dB another path must be stronger to be
	// preferred to the present one.
	RSSISwitchThreshold = 5
	// alpha is the weight of the newest value in the moving average of RSSI.
	alpha = 0.3
)

// Device is what one adapter has heard of one device.
type Device struct {
	Addr    hci.Addr // its identity, if it is bonded and uses private addresses
	OnAir   hci.Addr // what it was last heard with
	Name    string
	Adapter string // that heard it
	// RSSI is the last signal strength in dBm, Smoothed a moving average; NoRSSI
	// where there is none.
	RSSI, Smoothed int
	Connectable    bool
	Data, Response hci.AdvData
	Seen           time.Time // when it was last heard
}

func newDevice(adapter string) *Device {
	return &Device{Adapter: adapter, RSSI: NoRSSI, Smoothed: NoRSSI}
}

// update takes one report of the device, whose identity address is addr.
func (d *Device) update(addr hci.Addr, r *controller.Report) {
	d.Addr, d.OnAir, d.Connectable, d.Seen = addr, r.Addr.Identity(), r.Connectable, r.Time
	d.Data, d.Response = r.Data, r.Response
	if n := r.Name(); n != "" {
		d.Name = n
	}
	if r.RSSI == controller.RSSIUnknown || r.RSSI == 0 {
		return
	}
	d.RSSI = int(r.RSSI)
	if d.Smoothed == NoRSSI {
		d.Smoothed = d.RSSI
	} else {
		d.Smoothed = int(alpha*float64(d.RSSI) + (1-alpha)*float64(d.Smoothed))
	}
}

// onAir returns the address to connect to.
func (d *Device) onAir() hci.Addr {
	if d.OnAir == (hci.Addr{}) {
		return d.Addr
	}
	return d.OnAir
}

// Source returns the adapter that heard the device; "" for a device that was
// only named.
func (d *Device) Source() string { return d.Adapter }

// String returns "ADDRESS - NAME -> ADAPTER" for logs, without what is not
// known. What could disturb a terminal or a log in the name is replaced.
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

// target is whom an Establish is about. Without known, the kind of the address
// was not said.
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

// addrOf returns the address of a device with the kind that it was heard or
// connected with; public if there was neither.
func (m *Manager) addrOf(mac hci.MAC) hci.Addr {
	t := target{addr: hci.Addr{MAC: mac}}
	if d, ok := m.devices.latestOf(t, false); ok {
		return d.Addr
	}
	return m.links.addrOf(mac)
}

// matches reports whether a device with address a is meant.
func (t target) matches(a hci.Addr) bool {
	a = a.Identity()
	return a.MAC == t.addr.MAC && (!t.known || a.Kind == t.addr.Identity().Kind)
}
