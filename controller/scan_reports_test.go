package controller

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// kinds are the properties of a report that depend on its type.
type kinds struct{ connectable, scannable, directed, response bool }

// TestReservedBitsInTypes has controllers set reserved bits in types and PHYs: BCM4364
// with its ROM firmware sets the high bits of legacy types, BCM4378 those of PHYs, and
// the high octet of extended types. The defined bits are right.
func TestReservedBitsInTypes(t *testing.T) {
	h := newHarness(t, 1)
	var logged logRecorder
	h.c.log = slog.New(&logged)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for n, c := range []struct {
		typ  hci.AdvType
		want kinds
	}{
		{0x80, kinds{connectable: true, scannable: true}},
		{0x81, kinds{connectable: true, directed: true}},
		{0xA1, kinds{connectable: true, directed: true}},
		{0x12, kinds{scannable: true}},
		{0x83, kinds{}},
		{0x84, kinds{scannable: true, response: true}},
		{0x05, kinds{}}, // no type at all
	} {
		h.advert(c.typ, numbered(n), -50, adName)
		r := h.next(s)
		if got := (kinds{r.Connectable, r.Scannable, r.Directed, r.ScanResponse}); got != c.want || r.Name() != "kettle" {
			t.Errorf("type %#02x: %+v named %q, want %+v", uint8(c.typ), got, r.Name(), c.want)
		}
	}
	if h.c.stats.ReservedBits != 6 {
		t.Errorf("%d reports with reserved bits, want 6", h.c.stats.ReservedBits)
	}
	for _, c := range []struct {
		typ                hci.ExtAdvType
		primary, secondary hci.PHY
		wantPrimary, want  hci.PHY
		reserved           uint64
	}{
		{0x2513, 0x21, 0x60, hci.PHY1M, 0, 1},
		{0x0013, 0x21, 0x22, hci.PHY1M, hci.PHY2M, 1},
		{0x0000, 0x01, 0x63, hci.PHY1M, hci.PHYCoded, 1},
		{0x0000, 0x01, 0x02, hci.PHY1M, hci.PHY2M, 0},
	} {
		before := h.c.stats.ReservedBits
		h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{Type: c.typ, Addr: peerA, PrimaryPHY: c.primary, SecondaryPHY: c.secondary}}})
		if r := h.next(s); r.PrimaryPHY != c.wantPrimary || r.SecondaryPHY != c.want || h.c.stats.ReservedBits-before != c.reserved {
			t.Errorf("type %#04x on %#02x and %#02x: PHYs %v and %v, %d counted", uint16(c.typ), uint8(c.primary), uint8(c.secondary),
				r.PrimaryPHY, r.SecondaryPHY, h.c.stats.ReservedBits-before)
		}
	}
	if want := []string{"reserved bits in an advertising report are ignored"}; !slices.Equal(logged.messages, want) {
		t.Errorf("logged %q, want %q", logged.messages, want)
	}
}

// TestImpossibleStrengthsAreUnknown: dBm are -127 to 20.
func TestImpossibleStrengthsAreUnknown(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for got, want := range map[int8]int8{-128: 127, -127: -127, -50: -50, 0: 0, 20: 20, 21: 127, 40: 127, 126: 127, 127: 127} {
		h.advert(hci.AdvInd, peerA, got, adName)
		if r := h.next(s); r.RSSI != want {
			t.Errorf("signal strength %d is %d, want %d", got, r.RSSI, want)
		}
		h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{Addr: peerA, RSSI: got, TxPower: got}}})
		if r := h.next(s); r.RSSI != want || r.TxPower != want {
			t.Errorf("signal strength and power %d are %d and %d, want %d", got, r.RSSI, r.TxPower, want)
		}
	}
}

// TestMalformedReportsAreCounted has an event announce more reports than it has.
func TestMalformedReportsAreCounted(t *testing.T) {
	h := newHarness(t, 1)
	var logged logRecorder
	h.c.log = slog.New(&logged)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for range 2 {
		h.event(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Addr: peerA, Data: adName}}, Malformed: 2})
		if r := h.next(s); !bytes.Equal(r.Data, adName) {
			t.Errorf("report %+v", r)
		}
		h.noReport(s, "there is but one")
	}
	h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{Addr: peerA, Data: adName}}, Malformed: 1})
	h.next(s)
	if h.c.stats.MalformedReports != 5 || h.c.stats.MalformedPackets != 0 {
		t.Errorf("%d malformed reports and %d packets, want 5 and 0", h.c.stats.MalformedReports, h.c.stats.MalformedPackets)
	}
	if want := []string{"malformed advertising report dropped"}; !slices.Equal(logged.messages, want) {
		t.Errorf("logged %q, want %q", logged.messages, want)
	}
}

// An anonymous advertisement comes from any of several devices, so that a scan response of
// the same set is not merged with it.
func TestAnonymousReportsAreNotMerged(t *testing.T) {
	var m merger
	anonymous := hci.Addr{Kind: hci.AddrAnonymous}
	first := &Report{Addr: anonymous, SID: 3, Connectable: true}
	m.mergeReport(first, adUUID)
	second := &Report{Addr: anonymous, SID: 3, ScanResponse: true}
	m.mergeReport(second, adName)
	if first.Response != nil || second.Data != nil || second.Connectable || string(second.Response) != string(adName) {
		t.Errorf("first %+v, second %+v", first, second)
	}
}
