package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// scanFor scans for d and returns what each adapter heard, by name and once, the
// texts of the notices with their times, and the last error.
func (l *lab) scanFor(d time.Duration, o *connmgr.ScanOptions) (heard, notices []string, last error) {
	l.t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(l.t.Context(), d)
	defer cancel()
	for r, err := range l.m.Scan(ctx, o) {
		last = err
		if lost, ok := errors.AsType[*connmgr.AdapterError](err); ok {
			if lost.Adapter != r.Adapter {
				l.t.Errorf("a notice of %s comes with a report of %s", lost.Adapter, r.Adapter)
			}
			notices = append(notices, fmt.Sprintf("%v %v", time.Since(begin).Round(time.Second), err))
			continue
		}
		if s := r.Adapter + " " + r.Name(); err == nil && r.Name() != "" && !slices.Contains(heard, s) {
			heard = append(heard, s)
		}
	}
	slices.Sort(heard)
	return heard, notices, last
}

// beacon puts a device on air that takes no connections.
func (l *lab) beacon(n int, data ...hci.ManufacturerData) *sim.Peripheral {
	l.t.Helper()
	adv, err := (&hci.AdvFields{Name: "beacon", Manufacturer: data}).Append(nil, 31)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.put(&sim.PeripheralConfig{
		Name: "beacon", Address: address(n), Advertise: &controller.AdvertiseOptions{Data: adv, NonConnectable: true},
	})
}

func wantStrings(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestScanHearsByAllAdapters(t *testing.T) { inBubble(t, testScanHearsByAllAdapters) }

func testScanHearsByAllAdapters(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		l := newLab(t, connmgr.Config{DisableScan: disabled}, nil, nil)
		l.device(1)
		l.device(2)
		begin := time.Now()
		heard, notices, err := l.scanFor(3*second, nil)
		wantStrings(t, "heard", heard, "hci0 sensor 1", "hci0 sensor 2", "hci1 sensor 1", "hci1 sensor 2")
		wantStrings(t, "notices", notices)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*second {
			t.Errorf("ended with %v after %v", err, time.Since(begin))
		}
		if d, ok := l.m.DeviceByAdapter(address(2).String(), "hci1"); !ok || d.Name != "sensor 2" || d.RSSI != -50 {
			t.Errorf("with DisableScan %v, the Manager remembers %+v", disabled, d)
		}
		l.m.Close()
	}
}

func TestScanFilters(t *testing.T) { inBubble(t, testScanFilters) }

func testScanFilters(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.device(1)
	far := l.beacon(2, hci.ManufacturerData{Company: 0x004C, Data: []byte{1}})
	l.air.SetPath(l.adapters[1], far.Controller(), sim.Path{RSSI: -80})
	for name, c := range map[string]struct {
		o    connmgr.ScanOptions
		want []string
	}{
		"adapter":      {connmgr.ScanOptions{Adapters: []string{"hci1"}}, []string{"hci1 beacon", "hci1 sensor 1"}},
		"address":      {connmgr.ScanOptions{Addresses: []string{address(1).String()}}, []string{"hci0 sensor 1", "hci1 sensor 1"}},
		"bare address": {connmgr.ScanOptions{Addresses: []string{address(2).MAC.String()}}, []string{"hci0 beacon", "hci1 beacon"}},
		"other kind":   {connmgr.ScanOptions{Addresses: []string{address(2).MAC.String() + "/public"}}, nil},
		"name":         {connmgr.ScanOptions{Names: []string{"beacon", "sensor"}}, []string{"hci0 beacon", "hci1 beacon"}},
		"prefix":       {connmgr.ScanOptions{NamePrefix: "sens"}, []string{"hci0 sensor 1", "hci1 sensor 1"}},
		"service":      {connmgr.ScanOptions{Services: []uuid.UUID{uuid.From16(0x1234), battery}}, []string{"hci0 sensor 1", "hci1 sensor 1"}},
		"company":      {connmgr.ScanOptions{Manufacturers: []uint16{0x004C}}, []string{"hci0 beacon", "hci1 beacon"}},
		"RSSI":         {connmgr.ScanOptions{MinRSSI: -60}, []string{"hci0 beacon", "hci0 sensor 1", "hci1 sensor 1"}},
		"all of them":  {connmgr.ScanOptions{MinRSSI: -60, NamePrefix: "b", Adapters: []string{"hci1"}}, nil},
	} {
		heard, notices, _ := l.scanFor(second, &c.o)
		wantStrings(t, name, heard, c.want...)
		wantStrings(t, name, notices)
	}
}

func TestScanOptionsThatCannotBe(t *testing.T) { inBubble(t, testScanOptionsThatCannotBe) }

func testScanOptionsThatCannotBe(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	for want, o := range map[string]*connmgr.ScanOptions{
		`connmgr: adapter "hci7" is not one of this manager's, which are hci0`:                                            {Adapters: []string{"hci7"}},
		`connmgr: hci: "C0:FF" is not a device address: write six pairs of hexadecimal digits, such as C0:FF:EE:00:00:01`: {Addresses: []string{"C0:FF"}},
		`connmgr: hci: scan window is 90ms, want 2.5ms to 60ms in steps of 625µs`:                                         {Interval: 60 * time.Millisecond, Window: 90 * time.Millisecond},
	} {
		n := 0
		for _, err := range l.m.Scan(t.Context(), o) {
			if n++; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		}
		if n != 1 {
			t.Errorf("%d pairs, want the error alone", n)
		}
	}
}

// A device is delivered once, and again when its data changes, unless the scan
// wants every advertisement.
func TestScanDuplicates(t *testing.T) { inBubble(t, testScanDuplicates) }

func testScanDuplicates(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.beacon(1)
	for _, c := range []struct {
		duplicates bool
		min, max   int
	}{{false, 1, 1}, {true, 15, 20}} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*second)
		n := 0
		for _, err := range l.m.Scan(ctx, &connmgr.ScanOptions{Passive: true, Duplicates: c.duplicates}) {
			if err == nil {
				n++
			}
		}
		cancel()
		if n < c.min || n > c.max {
			t.Errorf("with duplicates %v: %d reports, want %d to %d", c.duplicates, n, c.min, c.max)
		}
	}
}

// The identity of a bonded device stands for its private addresses.
func TestScanNamesTheIdentity(t *testing.T) { inBubble(t, testScanNamesTheIdentity) }

func testScanNamesTheIdentity(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{ResolvingListSize: -1})
	rpa := l.private(time.Hour)
	c, err := l.m.Establish(t.Context(), rpa.String(), &connmgr.Options{Pair: true})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*second)
	defer cancel()
	for r, err := range l.m.Scan(ctx, &connmgr.ScanOptions{Addresses: []string{address(1).String()}}) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Addr != address(1) || r.Report.Addr != rpa {
			t.Errorf("device %v at %v, want %v at %v", r.Addr, r.Report.Addr, address(1), rpa)
		}
		break
	}
}

// An adapter that goes and comes back is named both times, and the others go on.
func TestScanSurvivesAnAdapter(t *testing.T) { inBubble(t, testScanSurvivesAnAdapter) }

func testScanSurvivesAnAdapter(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.device(1)
	time.AfterFunc(2*second, func() { l.unplug(1) })
	time.AfterFunc(5*second, func() {
		l.put(&sim.PeripheralConfig{Name: "late", Address: address(2)})
		l.plug(1) // tried again 5.25 s after it was unplugged
	})
	heard, notices, err := l.scanFor(10*second, nil)
	wantStrings(t, "heard", heard, "hci0 late", "hci0 sensor 1", "hci1 late", "hci1 sensor 1")
	wantStrings(t, "notices", notices,
		"2s connmgr: adapter hci1 is down: controller: ended: transport read: sim: controller unplugged", "7s connmgr: adapter hci1 scans again")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
}

// A scan survives a hardware error, and a controller that does not answer the command to
// scan.
func TestScanSurvivesFaults(t *testing.T) { inBubble(t, testScanSurvivesFaults) }

func testScanSurvivesFaults(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true})
	l.device(1)
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, NoAnswer: true, Ignore: true})
	time.AfterFunc(5*second, func() { l.adapters[0].HardwareError(0x42, true) })
	time.AfterFunc(8*second, func() { l.put(&sim.PeripheralConfig{Name: "late", Address: address(2)}) })
	heard, notices, err := l.scanFor(12*second, nil)
	wantStrings(t, "heard", heard, "hci0 late", "hci0 sensor 1")
	// The scan and the controller end at once; either may be noticed first.
	const silent = "LE Set Extended Scan Enable: no answer from the controller"
	if len(notices) == 0 || !strings.HasPrefix(notices[0], "2s connmgr: adapter hci0 ") || !strings.HasSuffix(notices[0], silent) {
		t.Fatalf("notices %q, want %q first", notices, silent)
	}
	wantStrings(t, "notices", notices[1:],
		"2s connmgr: adapter hci0 scans again",
		"5s connmgr: adapter hci0 is down: controller: ended: the controller reported a fault: hardware error 0x42",
		"5s connmgr: adapter hci0 scans again")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
}

// An adapter that is back before anybody has looked is reported all the same.
func TestScanReportsAShortLoss(t *testing.T) { inBubble(t, testScanReportsAShortLoss) }

func testScanReportsAShortLoss(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	time.AfterFunc(2*second, l.adapters[0].Unplug)
	heard, notices, _ := l.scanFor(5*second, nil)
	wantStrings(t, "heard", heard, "hci0 sensor 1")
	wantStrings(t, "notices", notices,
		"2s connmgr: adapter hci0 is down: controller: ended: transport read: sim: controller unplugged", "2s connmgr: adapter hci0 scans again")
}

func TestScanWaitsForAnAdapter(t *testing.T) { inBubble(t, testScanWaitsForAnAdapter) }

func testScanWaitsForAnAdapter(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.device(1)
	l.unplug(1)
	time.Sleep(second)
	time.AfterFunc(2*second, func() { l.plug(1) })
	heard, notices, _ := l.scanFor(10*second, nil)
	wantStrings(t, "heard", heard, "hci0 sensor 1", "hci1 sensor 1")
	wantStrings(t, "notices", notices, "0s connmgr: adapter hci1 is down: no such device", "4s connmgr: adapter hci1 scans again")
}

// A controller that refuses to scan is reported, and asked again.
func TestScanRefused(t *testing.T) { inBubble(t, testScanRefused) }

func testScanRefused(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true})
	l.device(1)
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: 2, Status: hci.StatusHardwareFailure})
	heard, notices, _ := l.scanFor(20*second, nil)
	wantStrings(t, "heard", heard, "hci0 sensor 1")
	wantStrings(t, "notices", notices,
		"0s connmgr: adapter hci0 does not scan: controller: LE Set Extended Scan Enable: hardware failure (0x03)",
		"10s connmgr: adapter hci0 scans again")
}

// A loop that is too slow loses the oldest items, and learns how many.
func TestScanDropped(t *testing.T) { inBubble(t, testScanDropped) }

func testScanDropped(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.beacon(1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var dropped []uint64
	var times []time.Time
	for r, err := range l.m.Scan(ctx, &connmgr.ScanOptions{Passive: true, Duplicates: true, Queue: 4}) {
		if err != nil {
			t.Fatal(err)
		}
		dropped, times = append(dropped, r.Dropped), append(times, r.Time)
		switch len(dropped) {
		case 1:
			time.Sleep(2 * second)
			synctest.Wait()
		case 6:
			cancel()
		}
		if len(dropped) == 6 {
			break
		}
	}
	// Advertisements come every 100 ms and up to 10 ms later.
	if dropped[0] != 0 || dropped[1] < 14 || dropped[1] > 16 || slices.Max(dropped[2:]) != 0 {
		t.Errorf("dropped %d, want about 15 before the second report", dropped)
	}
	if d := times[1].Sub(times[0]); d < 1500*time.Millisecond || times[5].Sub(times[1]) > 500*time.Millisecond {
		t.Errorf("reports at %v, want the newest after the wait", times)
	}
}

// A loop that is left leaves no scan behind, and the Manager's own goes on.
func TestScanLeft(t *testing.T) { inBubble(t, testScanLeft) }

func testScanLeft(t *testing.T) {
	for _, disabled := range []bool{true, false} {
		l := newLab(t, connmgr.Config{DisableScan: disabled})
		l.device(1)
		for _, err := range l.m.Scan(t.Context(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		time.Sleep(second)
		left := time.Now()
		time.Sleep(5 * second)
		d, ok := l.m.Device(address(1).String())
		if hears := d.Seen.After(left); !ok || hears == disabled {
			t.Errorf("with DisableScan %v, heard %v after the loop was left", disabled, hears)
		}
		l.m.Close()
	}
}

func TestScanEndsWithTheManager(t *testing.T) { inBubble(t, testScanEndsWithTheManager) }

func testScanEndsWithTheManager(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.device(1)
	var last error
	n := 0
	for _, err := range l.m.Scan(t.Context(), nil) {
		if n++; n == 1 {
			if e := l.m.Close(); e != nil { // the loop itself may do that
				t.Error(e)
			}
		}
		last = err
		if lost, ok := errors.AsType[*connmgr.AdapterError](err); ok {
			t.Errorf("notice %v", lost)
		}
	}
	if !errors.Is(last, net.ErrClosed) {
		t.Errorf("ended with %v", last)
	}
	for _, err := range l.m.Scan(t.Context(), nil) {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestFind(t *testing.T) { inBubble(t, testFind) }

func testFind(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		l := newLab(t, connmgr.Config{DisableScan: disabled}, nil, nil)
		l.device(1)
		time.AfterFunc(3*second, func() { l.device(2) })
		begin := time.Now()
		d, err := l.m.Find(t.Context(), connmgr.Named("sensor 2"))
		if err != nil || d.Addr != address(2) || time.Since(begin).Round(second) != 3*second {
			t.Errorf("found %v after %v, %v", d, time.Since(begin), err)
		}
		begin = time.Now()
		d, err = l.m.Find(t.Context(), connmgr.Advertises(battery)) // heard lately
		if err != nil || time.Since(begin) != 0 || !d.Connectable {
			t.Errorf("found %v after %v, %v", d, time.Since(begin), err)
		}
		if !disabled {
			d, err = l.m.Find(t.Context(), func(d connmgr.Device) bool { return d.Adapter == "hci1" && d.RSSI == -50 })
			if err != nil || d.Adapter != "hci1" {
				t.Errorf("found %v, %v", d, err)
			}
		}
		l.m.Close()
	}
}

func TestFindNothing(t *testing.T) { inBubble(t, testFindNothing) }

func testFindNothing(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	find := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 15*second)
		defer cancel()
		_, err := l.m.Find(ctx, func(d connmgr.Device) bool { return d.Name == "ghost" })
		if !errors.Is(err, connmgr.ErrNotFound) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		return err
	}
	for n, want := range []string{
		"no device was heard: context deadline exceeded",
		"1 device was heard, which does not match: context deadline exceeded",
		"2 devices were heard, none of which matches: context deadline exceeded; adapter hci1 is down: no such device",
	} {
		switch n {
		case 1:
			l.put(&sim.PeripheralConfig{Name: "a", Address: address(1), Services: []gatt.ServiceDef{}})
		case 2:
			l.put(&sim.PeripheralConfig{Name: "b", Address: address(2)})
			l.unplug(1)
			time.Sleep(second)
		}
		err := find()
		if got := fmt.Sprint(err); got != "connmgr: device not found: "+want {
			t.Errorf("error %q, want %q", got, want)
		}
		if e, ok := errors.AsType[*connmgr.FindError](err); !ok || e.Heard != n {
			t.Errorf("error %#v, want %d heard", err, n)
		}
	}
	l.m.Close()
	if _, err := l.m.Find(t.Context(), connmgr.Named("a")); err != nil {
		t.Errorf("a device heard lately, of a closed Manager: %v", err)
	}
	if _, err := l.m.Find(t.Context(), connmgr.Named("c")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("of a closed Manager: %v", err)
	}
}
