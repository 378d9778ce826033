package controller

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// codedHarness returns the harness of a controller that lists the extended commands and
// the coded PHY.
func codedHarness(t *testing.T) *harness {
	h := newHarness(t, 1)
	h.c.info.Extended, h.c.info.Features, h.c.info.AcceptListSize = true, hci.FeatureCodedPHY, 4
	return h
}

// scanParameters is the command for a scan on phys.
func (h *harness) scanParameters(phys hci.PHYs) hci.Params {
	return h.c.scan.scanParameters(scanSettings{active: true, phys: phys, interval: 60 * time.Millisecond, window: 60 * time.Millisecond})
}

// extendedScan takes the commands that scan on phys.
func (h *harness) extendedScan(phys hci.PHYs, why string) {
	h.t.Helper()
	h.want(h.scanParameters(phys), why)
	h.complete(hci.OpLESetExtendedScanParameters, hci.StatusSuccess)
	h.want(hci.LESetExtendedScanEnable{Enable: true}, why)
	h.complete(hci.OpLESetExtendedScanEnable, hci.StatusSuccess)
	h.idle(why)
}

// createExtended is the command for a dial of peer on 1M, or on both PHYs.
func createExtended(peer hci.Addr, coded bool) hci.LEExtendedCreateConnection {
	phy := hci.InitiatingPHY{ScanInterval: 60 * time.Millisecond, ScanWindow: 60 * time.Millisecond, Params: create(peer).Params}
	if coded {
		phy.ScanInterval *= 2
		return hci.LEExtendedCreateConnection{Peer: peer, PHYs: hci.PHYs1M | hci.PHYsCoded, Initiating: []hci.InitiatingPHY{phy, phy}}
	}
	return hci.LEExtendedCreateConnection{Peer: peer, PHYs: hci.PHYs1M, Initiating: []hci.InitiatingPHY{phy}}
}

// wantNoCoded fails unless err says that the coded PHY was refused with st.
func wantNoCoded(t *testing.T, name string, err error, st hci.Status) {
	t.Helper()
	if _, command := errors.AsType[*CommandError](err); !errors.Is(err, ErrNoCodedPHY) || command || !strings.Contains(err.Error(), st.Error()) {
		t.Errorf("%s ended with %v, want ErrNoCodedPHY for %v, and no refusal to scan at all", name, err, st)
	}
}

// TestCodedScanRefused has a controller refuse the coded PHY, in each way. The scan on
// 1M goes on by the extended commands.
func TestCodedScanRefused(t *testing.T) {
	for _, st := range []hci.Status{hci.StatusUnsupportedFeature, hci.StatusInvalidParameters} {
		for _, atEnable := range []bool{false, true} {
			h := codedHarness(t)
			near := h.scanner(nil)
			h.extendedScan(hci.PHYs1M, "the default")
			var failed error
			far := h.scanner(&ScanOptions{PHYs: hci.PHYsCoded})
			far.onStart = func(err error) { failed = err }
			h.want(hci.LESetExtendedScanEnable{}, "another PHY")
			h.complete(hci.OpLESetExtendedScanEnable, hci.StatusSuccess)
			h.want(h.scanParameters(hci.PHYs1M|hci.PHYsCoded), "both")
			if atEnable {
				h.complete(hci.OpLESetExtendedScanParameters, hci.StatusSuccess)
				h.want(hci.LESetExtendedScanEnable{Enable: true}, "both")
				h.complete(hci.OpLESetExtendedScanEnable, st)
			} else {
				h.complete(hci.OpLESetExtendedScanParameters, st)
			}
			wantNoCoded(t, "the scan", failed, st)
			h.extendedScan(hci.PHYs1M, "1M alone, without a reset")
			h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{Addr: peerA, PrimaryPHY: hci.PHY1M}}})
			if n := len(drain(near)); n != 1 {
				t.Errorf("%d reports on 1M, want one", n)
			}
			h.do(func(time.Time) {
				h.c.scan.addScanner(&Scanner{ctl: &Controller{}, opts: ScanOptions{PHYs: hci.PHYs1M | hci.PHYsCoded}},
					func(err error) { wantNoCoded(t, "a scan on both after that", err, st) })
			})
			h.idle("no command for it")
			if i := h.c.info; !i.Extended || !errors.Is(i.CodedRefused, st) || i.ExtendedRefused != nil || h.c.stats.LegacyFallbacks != 0 {
				t.Errorf("extended %v, refused %v and %v, want the coded PHY alone refused", i.Extended, i.ExtendedRefused, i.CodedRefused)
			}
		}
	}
}

// TestCodedScanRefusedOnceItWorked returns the refusal of a controller that has scanned
// on the coded PHY before: the reason is another one.
func TestCodedScanRefusedOnceItWorked(t *testing.T) {
	h := codedHarness(t)
	far := h.scanner(&ScanOptions{PHYs: hci.PHYsCoded})
	h.extendedScan(hci.PHYsCoded, "coded")
	h.do(func(time.Time) { h.c.scan.removeScanner(far) })
	h.want(hci.LESetExtendedScanEnable{}, "done")
	h.complete(hci.OpLESetExtendedScanEnable, hci.StatusSuccess)
	var failed error
	h.scanner(&ScanOptions{PHYs: hci.PHYsCoded}).onStart = func(err error) { failed = err }
	h.want(h.scanParameters(hci.PHYsCoded), "again")
	h.complete(hci.OpLESetExtendedScanParameters, hci.StatusInvalidParameters)
	if errors.Is(failed, ErrNoCodedPHY) || !errors.Is(failed, hci.StatusInvalidParameters) || h.c.info.CodedRefused != nil {
		t.Errorf("the scan ended with %v, coded PHY refused: %v", failed, h.c.info.CodedRefused)
	}
}

// TestCodedDialRefused ends the dials on the coded PHY, and makes those on 1M by the
// extended commands. The scan keeps the coded PHY.
func TestCodedDialRefused(t *testing.T) {
	h := codedHarness(t)
	h.scanner(&ScanOptions{PHYs: hci.PHYsCoded})
	h.extendedScan(hci.PHYsCoded, "coded")
	both := hci.PHYs1M | hci.PHYsCoded
	a := h.dial(&ConnectOptions{PHYs: both}, peerA)
	b := h.dial(&ConnectOptions{PHYs: both, ScanWindow: 30 * time.Millisecond}, peerB) // another initiation
	c := h.dial(nil, peerB)
	h.want(createExtended(peerA, true), "on both")
	h.status(hci.OpLEExtendedCreateConnection, hci.StatusUnsupportedFeature)
	wantNoCoded(t, "the dial", a.err, hci.StatusUnsupportedFeature)
	wantNoCoded(t, "the dial that waited", b.err, hci.StatusUnsupportedFeature)
	h.want(createExtended(peerB, false), "on 1M, without a reset")
	h.status(hci.OpLEExtendedCreateConnection, hci.StatusSuccess)
	h.connected(hci.StatusSuccess, 0x40, peerB)
	if c.l == nil || !h.c.info.Extended || !h.c.scan.running || h.c.scan.set.phys != hci.PHYsCoded {
		t.Errorf("link %v, extended %v, scan %+v", c.l, h.c.info.Extended, h.c.scan.set)
	}
	h.idle("done")
	d := h.dial(&ConnectOptions{PHYs: both}, peerA)
	wantNoCoded(t, "a dial after that", d.err, hci.StatusUnsupportedFeature)
	h.idle("no command for it")
}

// TestCodedAfterTheFallback ends the scans and dials that only the extended commands
// serve, once the controller uses the legacy ones.
func TestCodedAfterTheFallback(t *testing.T) {
	h := codedHarness(t)
	var failed error
	h.scanner(&ScanOptions{PHYs: hci.PHYsCoded}).onStart = func(err error) { failed = err }
	h.want(h.scanParameters(hci.PHYsCoded), "coded")
	near := h.scanner(nil)
	h.complete(hci.OpLESetExtendedScanParameters, hci.StatusUnknownCommand)
	h.want(hci.Reset{}, "no extended commands")
	dialed := h.dial(&ConnectOptions{PHYs: hci.PHYsCoded}, peerA)
	h.idle("the dial waits")
	h.complete(hci.OpReset, hci.StatusSuccess)
	h.want(hci.LESetEventMask{Mask: h.c.info.leEventMask()}, "as at the start")
	h.complete(hci.OpLESetEventMask, hci.StatusSuccess)
	wantNoCoded(t, "the scan", failed, hci.StatusUnknownCommand)
	wantNoCoded(t, "the dial", dialed.err, hci.StatusUnknownCommand)
	h.scanStarts("1M alone")
	h.advert(hci.AdvInd, peerA, -50, nil)
	if n := len(drain(near)); n != 1 {
		t.Errorf("%d reports, want one", n)
	}
}
