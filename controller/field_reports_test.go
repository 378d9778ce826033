package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestSeveralReportsInAnEvent delivers each report of an event with its own signal
// strength.
func TestSeveralReportsInAnEvent(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	legacy := &hci.LEAdvertisingReport{}
	extended := &hci.LEExtendedAdvertisingReport{}
	for n := range 3 {
		rssi := int8(-40 - n)
		legacy.Reports = append(legacy.Reports, hci.AdvReport{Type: hci.AdvInd, Addr: numbered(n), Data: []byte{2, 1, byte(n)}, RSSI: rssi})
		extended.Reports = append(extended.Reports, hci.ExtAdvReport{Addr: numbered(n), Data: []byte{2, 1, byte(n)}, RSSI: rssi})
	}
	for _, ev := range []hci.Event{legacy, extended} {
		h.event(ev)
		for n := range 3 {
			if r := h.next(s); r.Addr != numbered(n) || r.RSSI != int8(-40-n) || len(r.Data) != 3 || r.Data[2] != byte(n) {
				t.Errorf("report %d of %T: %+v", n, ev, r)
			}
		}
		h.noReport(s, "there were three")
	}
}

// TestScanThatIsNotStopped ends a scan without an error if the controller says that none
// runs.
func TestScanThatIsNotStopped(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	second := h.scanner(nil)
	h.want(hci.LESetScanEnable{}, "a restart for the newcomer")
	h.complete(hci.OpLESetScanEnable, hci.StatusCommandDisallowed)
	h.scanStarts("it scans all the same")
	for _, s := range []*Scanner{s, second} {
		ctx, cancel := canceled()
		if _, err := s.Next(ctx); !errors.Is(err, ctx.Err()) {
			t.Errorf("a scanner ended with %v", err)
		}
		cancel()
	}
}

// TestInterleavedChains delivers the advertisements of two devices whose pieces come by
// turns.
func TestInterleavedChains(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for _, p := range []struct {
		from       hci.Addr
		incomplete bool
		data       string
	}{{peerA, true, "one "}, {peerB, true, "two "}, {peerB, true, "too "}, {peerA, false, "whole"}, {peerB, false, "many"}} {
		h.c.handlePacket(h.now, pieceOf(p.from, p.incomplete, p.data))
	}
	if a, b := h.next(s), h.next(s); string(a.Data) != "one whole" || string(b.Data) != "two too many" {
		t.Errorf("got %q and %q", a.Data, b.Data)
	}
}

// TestKindsOfExtendedReports tells apart data that was cut off, advertisements without an
// address, legacy packets and their scan responses.
func TestKindsOfExtendedReports(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	report := func(r hci.ExtAdvReport) Report {
		t.Helper()
		r.PrimaryPHY = hci.PHY1M
		h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{r}})
		return h.next(s)
	}
	if r := report(hci.ExtAdvReport{Type: hci.ExtAdvTruncated, Addr: peerA, SID: 2, Data: adName}); !r.Truncated || !r.Extended || r.SID != 2 {
		t.Errorf("truncated: %+v", r)
	}
	if r := report(hci.ExtAdvReport{Addr: hci.Addr{Kind: hci.AddrAnonymous}, Data: adName}); r.Addr.Kind != hci.AddrAnonymous || r.Name() != "kettle" {
		t.Errorf("anonymous: %+v", r)
	}
	adv := report(hci.ExtAdvReport{Type: 0x13, Addr: peerB, SID: 0xFF, Data: adUUID})
	if adv.Extended || !adv.Connectable || !adv.Scannable || adv.ScanResponse || adv.SID != noSID {
		t.Errorf("legacy advertisement: %+v", adv)
	}
	rsp := report(hci.ExtAdvReport{Type: 0x1A, Addr: peerB, SID: 0xFF, Data: adName})
	if rsp.Extended || !rsp.ScanResponse || rsp.Name() != "kettle" || string(rsp.Data) != string(adUUID) {
		t.Errorf("its scan response: %+v", rsp)
	}
}

// TestKindsOfAddresses shows advertisements from addresses that the controller has
// resolved, and of kinds that do not exist.
func TestKindsOfAddresses(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for _, kind := range []hci.AddrKind{0, 1, 2, 3, 9, 0xFE} {
		a := peerA
		a.Kind = kind
		h.advert(hci.AdvInd, a, -50, adName)
		if r := h.next(s); r.Addr.MAC != a.MAC || r.Addr.Kind != kind || r.Addr.String() == "" {
			t.Errorf("kind %d: %v", kind, r.Addr)
		}
	}
}

// TestEventsOfNoMeaning ignores events of the vendor, unknown, empty and short ones, and
// buffers returned for links that do not exist.
func TestEventsOfNoMeaning(t *testing.T) {
	h := newHarness(t, 2)
	l := h.link(1, peerA)
	h.write(l)
	h.write(l)
	h.do(func(time.Time) { l.SendACL(true, []byte("waits")) })
	for _, p := range [][]byte{
		{4, 0xFF, 0}, {4, 0xFF, 3, 1, 2, 3}, {4, 0x77, 2, 1, 2}, {4, 0x3E, 0}, {4, 0x3E, 1, 0x02}, {4, 0x3E, 2, 0x7F, 0},
		{4, 0x0E, 1, 1}, {4, 0x13, 0}, {4, 0x13, 1, 2}, {4}, {4, 5}, {9, 1, 2}, {},
	} {
		h.c.handlePacket(h.now, p)
	}
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0, Count: 9}, {Handle: 0x0EFF, Count: 9}}})
	h.idle("no buffer of this link is free")
	if h.c.err != nil || l.Err() != nil || h.c.data.free != 0 || h.c.stats.UnknownHandles != 2 {
		t.Errorf("controller %v, link %v, %d buffers free, %+v", h.c.err, l.Err(), h.c.data.free, h.c.stats)
	}
	h.acked(1)
	h.wantData(1, true, "waits", "one is")
}
