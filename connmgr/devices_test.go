package connmgr

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

func numbered(n int) hci.Addr {
	return hci.Addr{MAC: hci.MAC{byte(n), byte(n >> 8), byte(n >> 16), 0, 0, 0xC0}, Kind: hci.AddrRandom}
}

func heardNow(ds *devices, adapter string, n int, rssi int8) {
	a := numbered(n)
	ds.addReport(adapter, a, &controller.Report{Addr: a, Connectable: true, RSSI: rssi, Time: time.Now()})
}

// A device that eight adapters hear counts as one device, and no device that is on air is
// forgotten.
func TestDevicesOnAirAreNotForgotten(t *testing.T) { synctest.Test(t, testDevicesOnAirAreNotForgotten) }

func testDevicesOnAirAreNotForgotten(t *testing.T) {
	ds := newDevices()
	for range 3 {
		for n := range 600 {
			for a := range 8 {
				heardNow(ds, fmt.Sprintf("hci%d", a), n, -60)
			}
		}
		time.Sleep(time.Second)
		if all, _ := ds.takeSnapshot(); len(all) != 8*600 {
			t.Fatalf("%d entries of 600 devices on 8 adapters", len(all))
		}
	}
	for n := range 5000 { // more than maxDevices, all on air
		heardNow(ds, "hci0", n, -60)
	}
	if len(ds.heard) != 5000 {
		t.Errorf("%d devices of 5000 that are on air", len(ds.heard))
	}
	time.Sleep(11 * time.Second)
	heardNow(ds, "hci0", 4999, -60)
	if len(ds.heard) != maxDevices || ds.heard[numbered(4999).MAC] == nil || ds.heard[numbered(0).MAC] != nil {
		t.Errorf("%d devices after a silence, want %d, the oldest forgotten first", len(ds.heard), maxDevices)
	}
	for n := range 5 * maxDevices { // a flood of addresses
		heardNow(ds, "hci0", 10000+n, -60)
	}
	if len(ds.heard) != mostDevices {
		t.Errorf("%d devices after a flood, want %d", len(ds.heard), mostDevices)
	}
}

// A device that is heard at -73 dBm from now on has an average of -73 dBm after a while.
func TestAverageReachesTheSignalStrength(t *testing.T) {
	ds := newDevices()
	heardNow(ds, "hci0", 1, -70)
	for range 20 {
		heardNow(ds, "hci0", 1, -73)
	}
	if d := ds.heardOf(target{addr: numbered(1)})[0]; d.Smoothed != -73 {
		t.Errorf("average %d dBm of a device that is heard at -73 dBm", d.Smoothed)
	}
}

// A device keeps its complete name while it sends a shortened one or none, also if it was
// restored.
func TestNameOfADevice(t *testing.T) {
	type packet struct {
		typ        hci.ADType
		name, want string
	}
	for _, packets := range [][]packet{
		{{hci.ADName, "Kettle", "Kettle"}, {hci.ADShortName, "Ket", "Kettle"}, {hci.ADShortName, "K2", "Kettle"}, {hci.ADName, "", "Kettle"}, {hci.ADName, "Mug", "Mug"}},
		{{hci.ADShortName, "Ket", "Ket"}, {hci.ADShortName, "K2", "K2"}, {hci.ADName, "Kettle", "Kettle"}},
	} {
		ds := newDevices()
		for n, p := range packets {
			r := controller.Report{Addr: numbered(1), Scannable: n == 0, Data: hci.AppendAD(nil, p.typ, []byte(p.name))}
			ds.addReport("hci0", numbered(1), &r)
			if d := ds.heardOf(target{addr: numbered(1)})[0]; d.Name != p.want || d.Scannable != r.Scannable {
				t.Errorf("after %q of type %#x the device is %q, want %q; scannable: %v", p.name, p.typ, d.Name, p.want, d.Scannable)
			}
		}
	}
	ds := newDevices()
	ds.restoreDevices([]Device{{Addr: numbered(1), Adapter: "hci0", Name: "Kettle", Seen: time.Now()}})
	for _, p := range []packet{{hci.ADShortName, "Ket", "Kettle"}, {hci.ADShortName, "K2", "K2"}} {
		ds.addReport("hci0", numbered(1), &controller.Report{Addr: numbered(1), Data: hci.AppendAD(nil, p.typ, []byte(p.name))})
		if d := ds.heardOf(target{addr: numbered(1)})[0]; d.Name != p.want {
			t.Errorf("after %q a restored device is %q, want %q", p.name, d.Name, p.want)
		}
	}
}

// Device remembers its choice only for devices that the Manager remembers.
func TestPreferredAdapterIsForgottenWithTheDevice(t *testing.T) {
	synctest.Test(t, testPreferredAdapterIsForgotten)
}

func testPreferredAdapterIsForgotten(t *testing.T) {
	m := &Manager{devices: newDevices(), links: newLinks()}
	heardNow(m.devices, "hci0", 0, -60)
	m.Device(numbered(0).String())
	heardNow(m.devices, "hci1", 0, -57)
	if d, _ := m.Device(numbered(0).String()); d.Adapter != "hci0" {
		t.Errorf("adapter %s for 3 dB more, want hci0", d.Adapter)
	}
	time.Sleep(time.Minute)
	for n := range maxDevices {
		heardNow(m.devices, "hci0", 1+n, -60)
	}
	heardNow(m.devices, "hci0", 0, -60)
	heardNow(m.devices, "hci1", 0, -57)
	if d, _ := m.Device(numbered(0).String()); d.Adapter != "hci1" {
		t.Errorf("adapter %s for a device heard anew, want hci1", d.Adapter)
	}
}

// BenchmarkDevicesForget adds devices beyond the bound.
func BenchmarkDevicesForget(b *testing.B) {
	ds := newDevices()
	begin := time.Now()
	for n := 0; b.Loop(); n++ {
		a := numbered(n)
		ds.addReport("hci0", a, &controller.Report{Addr: a, RSSI: -60, Time: begin.Add(time.Duration(n) * 10 * time.Millisecond)})
	}
}
