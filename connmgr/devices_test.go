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
	ds := newDevices(newDuty())
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
	time.Sleep(31 * time.Second)
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

// Of devices that advertise at the longest interval, none is forgotten between two
// advertisements, though they are more than maxDevices.
func TestSlowestAdvertisersAreNotForgotten(t *testing.T) { synctest.Test(t, testSlowestAdvertisers) }

func testSlowestAdvertisers(t *testing.T) {
	const crowd = 5000
	ds := newDevices(newDuty())
	forgotten := 0
	for round := range 4 {
		for n := range crowd {
			if round > 0 && ds.heard[numbered(n).MAC] == nil {
				forgotten++
			}
			heardNow(ds, "hci0", n, -60)
			time.Sleep(maxAdvInterval / crowd)
		}
	}
	if forgotten != 0 {
		t.Errorf("%d of %d reports were of a device that had been forgotten", forgotten, 3*crowd)
	}
}

// An adapter that no longer hears a device, while another one does, counts as hearing it
// for eight of the gaps in which it has heard it, and for two seconds at least. Without
// another one, it does for 195 s.
func TestReception(t *testing.T) { synctest.Test(t, testReception) }

func testReception(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		interval time.Duration
		heard    int // every heard-th advertisement, by the adapter in question
		other    bool
		want     time.Duration // how long it counts
	}{
		{100 * ms, 1, true, 2 * time.Second},
		{100 * ms, 5, true, 4 * time.Second},
		{1280 * ms, 1, true, 10240 * ms},
		{100 * ms, 1, false, 195*time.Second - 100*ms},
	} {
		d := newDuty()
		d.beginWait() // the adapters listen all the time
		ds := newDevices(d)
		hears := func() bool { return ds.receptionBy(target{addr: numbered(1)}, "hci0").hears }
		var last time.Time
		for n := 0; n == 0 || hears(); n++ {
			if n > 0 {
				time.Sleep(c.interval)
			}
			if n%c.heard == 0 && n <= 20 {
				last = time.Now()
				heardNow(ds, "hci0", 1, -60)
			}
			if c.other {
				heardNow(ds, "hci1", 1, -60)
			}
		}
		if got := time.Since(last) - c.interval; got != c.want {
			t.Errorf("every %d. advertisement at %v, heard by another one: %v: it counts for %v, want %v", c.heard, c.interval, c.other, got, c.want)
		}
	}
}

// A device that is heard at -73 dBm from now on has an average of -73 dBm after a while.
func TestAverageReachesTheSignalStrength(t *testing.T) {
	ds := newDevices(newDuty())
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
		ds := newDevices(newDuty())
		for n, p := range packets {
			r := controller.Report{Addr: numbered(1), Scannable: n == 0, Data: hci.AppendAD(nil, p.typ, []byte(p.name))}
			ds.addReport("hci0", numbered(1), &r)
			if d := ds.heardOf(target{addr: numbered(1)})[0]; d.Name != p.want || d.Scannable != r.Scannable {
				t.Errorf("after %q of type %#x the device is %q, want %q; scannable: %v", p.name, p.typ, d.Name, p.want, d.Scannable)
			}
		}
	}
	ds := newDevices(newDuty())
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
	m := &Manager{devices: newDevices(newDuty()), links: newLinks()}
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
	ds := newDevices(newDuty())
	begin := time.Now()
	for n := 0; b.Loop(); n++ {
		a := numbered(n)
		ds.addReport("hci0", a, &controller.Report{Addr: a, RSSI: -60, Time: begin.Add(time.Duration(n) * 10 * time.Millisecond)})
	}
}

// A wait for a device is ended by its next report, whether the device is known, new, or
// was forgotten meanwhile.
func TestWaitOutlastsTheMemory(t *testing.T) { synctest.Test(t, testWaitOutlastsTheMemory) }

func testWaitOutlastsTheMemory(t *testing.T) {
	ds := newDevices(newDuty())
	isHeard := func(ch <-chan struct{}) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	early, stopEarly := ds.awaitHeard(target{addr: numbered(0)})
	never, stopNever := ds.awaitHeard(target{addr: numbered(0)})
	stopNever()
	heardNow(ds, "hci0", 0, -60)
	late, stopLate := ds.awaitHeard(target{addr: numbered(0)})
	if !isHeard(early) || isHeard(late) || isHeard(never) {
		t.Error("the first report does not end the wait that it should")
	}
	time.Sleep(31 * time.Second)
	for n := range maxDevices { // device 0 is forgotten
		heardNow(ds, "hci0", n+1, -60)
	}
	if ds.heard[numbered(0).MAC] != nil || isHeard(late) {
		t.Fatal("the device is still known, or was heard")
	}
	heardNow(ds, "hci1", 0, -60)
	if !isHeard(late) {
		t.Error("the wait for a device that was forgotten goes on")
	}
	stopEarly()
	stopLate()
	if e := ds.heard[numbered(0).MAC]; len(e.waiters) != 0 || len(ds.waiters) != 0 {
		t.Errorf("%d and %d waiters are left", len(e.waiters), len(ds.waiters))
	}
}

// A report is valid during the call only, and a copy of a Device for good.
func TestDevicesKeepTheirData(t *testing.T) {
	ds := newDevices(newDuty())
	data := []byte{2, 1, 6}
	r := controller.Report{Addr: numbered(1), Data: data, Response: data, Time: time.Unix(1, 0)}
	ds.addReport("hci0", numbered(1), &r)
	first, _ := ds.latestOf(target{addr: numbered(1)}, false)
	data[2] = 5
	ds.addReport("hci0", numbered(1), &r)
	second, _ := ds.latestOf(target{addr: numbered(1)}, false)
	data[2] = 4
	if first.Data[2] != 6 || first.Response[2] != 6 || second.Data[2] != 5 || second.Response[2] != 5 {
		t.Errorf("data % X and % X, response % X and % X", first.Data, second.Data, first.Response, second.Response)
	}
	if n := testing.AllocsPerRun(100, func() { ds.addReport("hci0", numbered(1), &r) }); n != 0 {
		t.Errorf("%v allocations for a report of known data, want none", n)
	}
}
