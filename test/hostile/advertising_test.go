package hostile_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// advertise adds a peer that advertises data without any check.
func (w *world) advertise(data []byte, extended bool) *sim.RawPeer {
	return w.air.NewRawPeer(&sim.RawPeerConfig{AdvData: data, Extended: extended, Type: hci.AdvNonconnInd})
}

func (w *world) scan(o *controller.ScanOptions) *controller.Scanner {
	w.t.Helper()
	sc, err := w.host.Scan(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(sc.Close)
	return sc
}

// report waits for the next report of a peer.
func (w *world) report(sc *controller.Scanner, from hci.Addr) controller.Report {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	for {
		r, err := sc.Next(ctx)
		if err != nil {
			w.t.Fatalf("no report of %v: %v", from, err)
		}
		if r.Addr == from {
			return r
		}
	}
}

// useUp calls every method of a report.
func useUp(r *controller.Report) (structures int) {
	_, _, _, _, _ = r.Name(), r.Services(), r.ManufacturerData(), r.ServiceData(), r.Data.String()
	_, _ = r.Data.SolicitedServices(), r.HasService(level)
	for range r.Data.All() {
		structures++
	}
	return structures
}

// TestAdvertisingData: arbitrary advertising data is reported unchanged, and decoded up
// to its first fault.
func TestAdvertisingData(t *testing.T) {
	for name, test := range map[string]struct {
		data       string
		structures int
	}{
		"nothing":                          {"", 0},
		"a length of 255":                  {"ff 09 41", 0},
		"a length of 255 alone":            {"ff", 0},
		"a length of 0 is skipped":         {"02 01 06 00 03 09 41 42", 2},
		"zeros":                            {"0000000000", 0},
		"a structure one octet too long":   {"02 01 06 04 09 41 42", 1},
		"types without data":               {"01 01 01 09 01 ff 01 16", 4},
		"16-bit UUIDs of three octets":     {"04 03 0d 18 0f", 1},
		"32-bit UUIDs of five octets":      {"06 05 01 02 03 04 05", 1},
		"128-bit UUIDs of one octet":       {"02 07 01", 1},
		"16-bit solicitation of one octet": {"02 14 01", 1},
		"32-bit solicitation of 4 octets":  {"05 1f 01 02 03 04", 1},
		"service data of no octet":         {"01 16", 1},
		"service data of one octet":        {"02 16 0d", 1},
		"128-bit service data cut off":     {"03 21 01 02", 1},
		"manufacturer data of one octet":   {"02 ff 4c", 1},
		"a name that is no text":           {"05 09 ff fe 00 80", 1},
		"flags of no octet":                {"01 01", 1},
		"TX power of no octet":             {"01 0a", 1},
	} {
		t.Run(name, bubble(func(w *world) {
			for _, extended := range []bool{false, true} {
				data := octets(test.data)
				p := w.advertise(data, extended)
				sc := w.scan(&controller.ScanOptions{Passive: true})
				r := w.report(sc, p.Address())
				if n := useUp(&r); n != test.structures || !bytes.Equal(r.Data, data) {
					w.t.Errorf("extended %v: %d structures in % x, want %d in % x", extended, n, r.Data, test.structures, data)
				}
				sc.Close()
				p.SetAdvertising(false)
			}
		}))
	}
}

// TestAdvertisingNoise: forty peers advertise noise of every length. A scanner with
// every kind of filter finds the one device among them.
func TestAdvertisingNoise(t *testing.T) {
	bubble(func(w *world) {
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range 40 {
			b := make([]byte, i%32)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			w.advertise(b, false)
		}
		for _, n := range []int{229, 230, 1000, 1650} {
			b := bytes.Repeat([]byte{0xFF, 0x09}, n/2)
			w.advertise(b, true)
		}
		p := w.advertise(octets("05 09 6d 6f 6f 72 03 03 0f 18"), false)
		all := w.scan(&controller.ScanOptions{Duplicates: true})
		one := w.scan(&controller.ScanOptions{Filter: &controller.ScanFilter{Name: "MOOR"}})
		for range 2000 {
			r, err := all.Next(w.t.Context())
			if err != nil {
				w.t.Fatal(err)
			}
			useUp(&r)
		}
		r := w.report(one, p.Address())
		if r.Name() != "moor" || !r.HasService([16]byte(r.Services()[0])) {
			w.t.Errorf("report %+v", r)
		}
		w.wantRead(w.good, "while all that comes in")
	})(t)
}

// TestReportsThatContradictThemselves: a controller sends malformed reports. Each packet
// is dropped and counted, and the next one is decoded.
func TestReportsThatContradictThemselves(t *testing.T) {
	bubble(func(w *world) {
		sc := w.scan(&controller.ScanOptions{Passive: true, Duplicates: true})
		addr := " 00 010203040506 "
		bad := []string{
			"04 3e 00",                              // no subevent
			"04 3e 01 02",                           // no number of reports
			"04 3e 02 02 01",                        // one report, of nothing
			"04 3e 02 02 ff",                        // 255 of nothing
			"04 3e 0c 02 01 00" + addr + "ff c4 00", // data of 255
			"04 3e 0c 02 01 00" + addr + "01 c4 00", // no room for the strength
			"04 3e ff 02 01 00" + addr + "00 c4",    // an event of 255
			"04 3e 02 0d 01",                        // an extended one of nothing
			"04 3e 1a 0d 01 1000" + addr + "01 00 00 7f c4 0000 00 000000000000 ff", // with data of 255
		}
		for _, b := range bad {
			w.ctl.Inject(octets(b))
		}
		partly := []string{ // the first report is good
			"04 3e 0d 02 02 00" + addr + "00 c4 00",                                 // two reports, of one and an octet
			"04 3e 0c 02 03 00" + addr + "00 c4",                                    // three reports, of one
			"04 3e 1a 0d 02 1000" + addr + "01 00 00 7f c4 0000 00 000000000000 00", // two, of one
		}
		for _, b := range partly {
			w.ctl.Inject(octets(b))
			w.report(sc, hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}})
		}
		// 238 octets in a legacy report are more than 31.
		w.ctl.Inject(append(octets("04 3e fa 02 01 00"+addr+"ee"), append(make([]byte, 238), 0xC4)...))
		p := w.advertise(octets("02 01 06"), false)
		w.report(sc, p.Address())
		if s := w.host.Controller().Stats(); s.MalformedPackets != uint64(len(bad)+1) {
			w.t.Errorf("%d packets counted as malformed, want %d", s.MalformedPackets, len(bad)+1)
		} else if s.MalformedReports != 4 {
			w.t.Errorf("%d reports counted as malformed, want 4", s.MalformedReports)
		}
	})(t)
}

// TestEndlessExtendedAdvertisements: advertisements whose last piece never comes, each
// from a new address. The memory for them is bounded, and a complete advertisement is
// still reported.
func TestEndlessExtendedAdvertisements(t *testing.T) {
	bubble(func(w *world) {
		sc := w.scan(&controller.ScanOptions{Passive: true, Duplicates: true})
		n := 0
		flood := func() {
			for range 5000 {
				n++
				w.ctl.InjectEvent(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{
					Type: hci.ExtAdvIncomplete, Addr: hci.Addr{MAC: hci.MAC{byte(n), byte(n >> 8)}},
					PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M, Data: make([]byte, 229),
				}}})
				if n%20 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		w.wantFlat(flood)
		p := w.advertise(bytes.Repeat([]byte{2, 1, 6}, 500), true)
		if r := w.report(sc, p.Address()); len(r.Data) != 1500 {
			w.t.Errorf("%d octets, want 1500", len(r.Data))
		}
	})(t)
}
