package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func (h *harness) scanner(o *ScanOptions) *Scanner {
	s := &Scanner{ctl: &Controller{}, queue: newReportQueue(8)}
	if o != nil {
		s.opts = *o
	}
	h.do(func(time.Time) { h.c.scan.addScanner(s, func(error) {}) })
	return s
}

// scanOn adds a Scanner and answers the commands that this sends.
func (h *harness) scanOn(o *ScanOptions) *Scanner {
	h.t.Helper()
	s := h.scanner(o)
	h.scanStarts("scan")
	return s
}

func (h *harness) scanStarts(why string) {
	h.t.Helper()
	h.want(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, why)
	h.complete(hci.OpLESetScanParameters, hci.StatusSuccess)
	h.want(hci.LESetScanEnable{Enable: true}, why)
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.idle(why)
}

func (h *harness) advert(typ hci.AdvType, from hci.Addr, rssi int8, data []byte) {
	h.event(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Type: typ, Addr: from, RSSI: rssi, Data: data}}})
}

// next takes the next report, or fails.
func (h *harness) next(s *Scanner) Report {
	h.t.Helper()
	ctx, cancel := canceled()
	defer cancel()
	r, err := s.Next(ctx)
	if err != nil {
		h.t.Fatalf("no report: %v", err)
	}
	return r
}

func (h *harness) noReport(s *Scanner, why string) {
	h.t.Helper()
	ctx, cancel := canceled()
	defer cancel()
	if r, err := s.Next(ctx); err == nil {
		h.t.Fatalf("%s: report %+v", why, r)
	}
}

var (
	adName = hci.AppendAD(nil, hci.ADName, []byte("kettle"))
	adUUID = hci.AppendAD(nil, hci.ADServices16, []byte{0x0F, 0x18})
)

func TestScanResponsesAreMerged(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	h.advert(hci.AdvScanRsp, peerB, -40, adName)
	if r := h.next(s); !r.ScanResponse || r.Name() != "kettle" || r.Data != nil {
		t.Errorf("a scan response on its own: %+v", r)
	}
	h.advert(hci.AdvInd, peerA, -50, adUUID)
	if r := h.next(s); !r.Connectable || r.ScanResponse || r.RSSI != -50 || r.Name() != "" || len(r.Services()) != 1 {
		t.Errorf("advertisement: %+v", r)
	}
	h.advert(hci.AdvScanRsp, peerA, -52, adName)
	r := h.next(s)
	if !r.Connectable || !r.ScanResponse || r.RSSI != -52 || r.Name() != "kettle" || len(r.Services()) != 1 || !r.Time.Equal(h.now) {
		t.Errorf("scan response: %+v", r)
	}
	h.advert(hci.AdvInd, peerA, -51, adUUID)
	h.noReport(s, "nothing has changed")
	h.advert(hci.AdvInd, peerA, -51, adName)
	if r := h.next(s); string(r.Data) != string(adName) {
		t.Errorf("changed data: %+v", r)
	}
}

func TestScanSettingsServeAllScanners(t *testing.T) {
	h := newHarness(t, 1)
	passive := &ScanOptions{Passive: true, Interval: 100 * time.Millisecond, Window: 50 * time.Millisecond}
	s := h.scanner(passive)
	h.want(hci.LESetScanParameters{Interval: 100 * time.Millisecond, Window: 50 * time.Millisecond}, "passive")
	h.complete(hci.OpLESetScanParameters, hci.StatusSuccess)
	h.want(hci.LESetScanEnable{Enable: true}, "on")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	all := h.scanner(&ScanOptions{Duplicates: true})
	h.want(hci.LESetScanEnable{}, "the second is active")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.want(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, "active")
	h.complete(hci.OpLESetScanParameters, hci.StatusSuccess)
	h.want(hci.LESetScanEnable{Enable: true}, "on again")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.next(s)
	h.noReport(s, "the first scanner did not ask for duplicates")
	h.next(all)
	h.next(all)
	h.do(func(time.Time) { h.c.scan.removeScanner(all); h.c.scan.removeScanner(s) })
	h.want(hci.LESetScanEnable{}, "the last scanner has gone")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.idle("off")
}

func TestScannerThatJoinsHearsWhatOthersHave(t *testing.T) {
	h := newHarness(t, 1)
	first := h.scanOn(nil)
	h.advert(hci.AdvInd, peerA, -50, adUUID)
	h.advert(hci.AdvScanRsp, peerA, -50, adName)
	h.next(first)
	h.next(first)
	second := h.scanner(nil)
	h.want(hci.LESetScanEnable{}, "some controllers report a device once per scan")
	third := h.scanner(nil)
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.scanStarts("once for all who have come")
	h.advert(hci.AdvInd, peerA, -50, adUUID)
	for _, s := range []*Scanner{second, third} {
		if r := h.next(s); !r.Connectable || r.Name() != "kettle" {
			t.Errorf("got %+v", r)
		}
	}
	h.noReport(first, "it knows all that")
}

func TestScannerThatJoinsAStart(t *testing.T) {
	h := newHarness(t, 1)
	h.scanner(nil)
	h.want(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, "start")
	h.scanner(nil)
	h.complete(hci.OpLESetScanParameters, hci.StatusSuccess)
	h.want(hci.LESetScanEnable{Enable: true}, "start for both")
	late := h.scanner(nil)
	h.advert(hci.AdvInd, peerA, -50, adUUID)
	h.next(late)
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.want(hci.LESetScanEnable{}, "some controllers report a device once per scan")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.scanStarts("for all three")
}

func TestScanRefused(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanner(nil)
	h.want(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, "start")
	h.complete(hci.OpLESetScanParameters, hci.StatusHardwareFailure)
	ctx, cancel := canceled()
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, hci.StatusHardwareFailure) {
		t.Errorf("got %v, want the status", err)
	}
	h.scanOn(nil)
}

func TestScanRefusedForANewcomer(t *testing.T) {
	h := newHarness(t, 1)
	old := h.scanOn(nil)
	bad := h.scanner(&ScanOptions{Duplicates: true})
	h.want(hci.LESetScanEnable{}, "a newcomer")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.want(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, "the same")
	h.complete(hci.OpLESetScanParameters, hci.StatusSuccess)
	h.want(hci.LESetScanEnable{Enable: true}, "on again")
	h.complete(hci.OpLESetScanEnable, hci.StatusInvalidParameters)
	h.scanStarts("without the newcomer")
	ctx, cancel := canceled()
	defer cancel()
	if _, err := bad.Next(ctx); !errors.Is(err, hci.StatusInvalidParameters) {
		t.Errorf("the newcomer got %v, want the status", err)
	}
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.next(old)
	h.do(func(time.Time) { h.c.scan.noteScanStopped() })
	h.want(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, "again")
	h.complete(hci.OpLESetScanParameters, hci.StatusHardwareFailure)
	if _, err := old.Next(ctx); !errors.Is(err, hci.StatusHardwareFailure) {
		t.Errorf("the only scanner got %v, want the status", err)
	}
	h.idle("nobody is left")
}

func TestScanOptionsAreChecked(t *testing.T) {
	for _, test := range []struct {
		opts ScanOptions
		want string
	}{
		{ScanOptions{}, ""},
		{ScanOptions{Interval: 10240 * time.Millisecond, Window: 2500 * time.Microsecond}, ""},
		{ScanOptions{Interval: 61 * time.Millisecond}, "hci: scan interval is 61ms, want 2.5ms to 10.24s in steps of 625µs"},
		{ScanOptions{Interval: time.Millisecond}, "hci: scan interval is 1ms, want 2.5ms to 10.24s in steps of 625µs"},
		{ScanOptions{Interval: 11 * time.Second}, "hci: scan interval is 11s, want 2.5ms to 10.24s in steps of 625µs"},
		{ScanOptions{Interval: 60 * time.Millisecond, Window: 90 * time.Millisecond}, "hci: scan window is 90ms, want 2.5ms to 60ms in steps of 625µs"},
		{ScanOptions{Interval: 60 * time.Millisecond, Window: 3 * time.Millisecond}, "hci: scan window is 3ms, want 2.5ms to 60ms in steps of 625µs"},
	} {
		got := ""
		if err := test.opts.Validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%v every %v: got %q, want %q", test.opts.Window, test.opts.Interval, got, test.want)
		}
		if test.want == "" {
			continue
		}
		var running Scanner // without a loop that could see the values
		if err := running.SetTiming(test.opts.Interval, test.opts.Window); err == nil || err.Error() != test.want {
			t.Errorf("%v every %v while it scans: %v, want %q", test.opts.Window, test.opts.Interval, err, test.want)
		}
	}
}

func TestScanFilter(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Filter: &ScanFilter{Name: "KET", MinRSSI: -60}})
	h.advert(hci.AdvInd, peerA, -61, adName)
	h.advert(hci.AdvInd, peerB, -60, adUUID)
	h.noReport(s, "too weak, and another name")
	h.advert(hci.AdvInd, peerA, RSSIUnknown, adName)
	if r := h.next(s); r.Addr != peerA || r.RSSI != RSSIUnknown {
		t.Errorf("got %+v", r)
	}
}

func TestScannerDropsTheOldest(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for i := range 20 {
		h.advert(hci.AdvInd, peerA, int8(-i), adName)
	}
	if r := h.next(s); r.RSSI != -12 || s.Dropped() != 12 {
		t.Errorf("first report kept %d dBm after %d dropped; want -12 after 12", r.RSSI, s.Dropped())
	}
}

func TestControllerThatRefusesToStopScanning(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	h.do(func(time.Time) { h.c.scan.removeScanner(s) })
	h.want(hci.LESetScanEnable{}, "the last scanner has left")
	h.complete(hci.OpLESetScanEnable, hci.StatusUnspecified)
	h.idle("asking again leads nowhere")
	h.scanOn(nil)
}

// piece delivers a piece of an extended advertisement.
func (h *harness) piece(from hci.Addr, incomplete bool, octets int) {
	r := hci.ExtAdvReport{Addr: from, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M, Data: make([]byte, octets)}
	if incomplete {
		r.Type = hci.ExtAdvIncomplete
	}
	h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{r}})
}

func TestExtendedReportsInPieces(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	for i := range byte(100) { // strangers that never come to an end
		h.piece(hci.Addr{MAC: hci.MAC{i}}, true, 229)
	}
	if n := len(h.c.scan.chains.open); n != maxChains {
		t.Errorf("%d pieces are kept, want %d", n, maxChains)
	}
	h.noReport(s, "nothing is whole")
	h.piece(peerA, true, 229)
	h.piece(peerA, true, 229)
	h.piece(peerA, false, 100)
	if r := h.next(s); r.Addr != peerA || len(r.Data) != 558 {
		t.Errorf("%d octets from %v, want 558 from %v in spite of the strangers", len(r.Data), r.Addr, peerA)
	}
	for range 8 {
		h.piece(peerB, true, 229)
	}
	h.piece(peerB, false, 229)
	h.noReport(s, "2061 octets are more than an advertisement has")
	h.piece(peerB, false, 50)
	if r := h.next(s); r.Addr != peerB || len(r.Data) != 50 {
		t.Errorf("%d octets from %v, want the 50 of the next", len(r.Data), r.Addr)
	}
}
