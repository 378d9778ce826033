package controller

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func (h *harness) scanRestarts(why string) {
	h.t.Helper()
	h.want(hci.LESetScanEnable{}, why)
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.scanStarts(why)
}

func (h *harness) wantSilence(quiet, silent uint64, why string) {
	h.t.Helper()
	if s := h.c.stats; s.QuietScans != quiet || s.SilentScans != silent {
		h.t.Errorf("%s: %d quiet and %d silent scans, want %d and %d", why, s.QuietScans, s.SilentScans, quiet, silent)
	}
}

// TestQuietScanRestarts has a controller stop reporting. The scan begins anew after each
// 90 s of silence.
func TestQuietScanRestarts(t *testing.T) {
	h := newHarness(t, 1)
	var logged logRecorder
	h.c.log = slog.New(&logged)
	h.scanOn(&ScanOptions{Duplicates: true})
	h.pass(time.Hour)
	h.idle("a scan that never had a report may be where no device is")
	for range 3 {
		h.advert(hci.AdvInd, peerA, -50, adName)
		h.pass(quietTime - 1)
	}
	h.idle("not quiet yet")
	h.pass(1)
	h.scanRestarts("quiet for 90 s")
	h.wantSilence(1, 0, "a restart")
	h.pass(quietTime - 1)
	h.wantSilence(1, 0, "not long enough")
	h.pass(1)
	h.scanRestarts("the restart has not helped")
	h.wantSilence(2, 1, "the restart has not helped")
	h.pass(quietTime)
	h.scanRestarts("nor has the next")
	h.wantSilence(3, 2, "two restarts in vain")
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.pass(quietTime)
	h.scanRestarts("quiet again")
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.pass(quietTime - 1)
	h.wantSilence(4, 2, "the last restart has helped")
	if want := []string{"scan is quiet, restarted", "scan stays silent after its restart", "scan is quiet, restarted"}; !slices.Equal(logged.messages, want) {
		t.Errorf("logged %q, want %q", logged.messages, want)
	}
}

// TestOnlyScanTimeIsQuiet stops the scan, and has another Scanner restart it: the time
// without a scan does not count, and the restart does not hide the silence.
func TestOnlyScanTimeIsQuiet(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.pass(50 * time.Second)
	h.do(func(time.Time) { h.c.scan.removeScanner(s) })
	h.want(hci.LESetScanEnable{}, "the last scanner has gone")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.pass(time.Hour)
	h.idle("nobody scans")
	h.scanOn(nil)
	h.pass(30 * time.Second)
	h.scanner(nil)
	h.scanRestarts("for the other scanner")
	h.pass(10*time.Second - 1)
	h.idle("89.9 s of scanning")
	h.pass(1)
	h.scanRestarts("quiet for 90 s of scanning")
	h.wantSilence(1, 0, "a restart")
}

// TestPausedScanIsNotQuiet ends a quiet time while a dial has the radio.
func TestPausedScanIsNotQuiet(t *testing.T) {
	h := newHarness(t, 1)
	h.scanOn(nil)
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.pass(80 * time.Second)
	h.do(func(time.Time) { h.c.scan.pauseScan(nil) })
	h.want(hci.LESetScanEnable{}, "a dial")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.pass(time.Hour)
	h.do(func(time.Time) { h.c.scan.resumeScan() })
	h.scanStarts("after the dial")
	h.wantSilence(0, 0, "80 s of scanning")
	h.pass(10 * time.Second)
	h.scanRestarts("90 s of scanning")
}

// TestRefusedStartIsNotQuiet stops a scan that the controller still ran after an hour
// without one. That hour does not count.
func TestRefusedStartIsNotQuiet(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.pass(50 * time.Second)
	h.do(func(time.Time) { h.c.scan.removeScanner(s) })
	h.want(hci.LESetScanEnable{}, "the last scanner has gone")
	h.complete(hci.OpLESetScanEnable, hci.StatusCommandDisallowed)
	h.pass(time.Hour)
	h.scanner(nil)
	h.want(h.c.scan.scanParameters(scanSettings{active: true, interval: 60 * time.Millisecond, window: 60 * time.Millisecond}), "another scanner")
	h.complete(hci.OpLESetScanParameters, hci.StatusCommandDisallowed)
	h.scanRestarts("the scan that was left on")
	h.pass(40*time.Second - 1)
	h.idle("89.9 s of scanning")
	h.pass(1)
	h.scanRestarts("quiet for 90 s of scanning")
	h.wantSilence(1, 0, "a restart")
}

// TestRareScanIsQuietLater changes the timing of the scan: only the time for which it
// listens counts as silence.
func TestRareScanIsQuietLater(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	h.advert(hci.AdvInd, peerA, -50, adName)
	h.pass(30 * time.Second)
	rare := hci.LESetScanParameters{Active: true, Interval: 1200 * time.Millisecond, Window: 300 * time.Millisecond}
	restarts := func(why string) {
		h.t.Helper()
		h.want(hci.LESetScanEnable{}, why)
		h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
		h.want(rare, why)
		h.complete(hci.OpLESetScanParameters, hci.StatusSuccess)
		h.want(hci.LESetScanEnable{Enable: true}, why)
		h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
		h.idle(why)
	}
	h.do(func(time.Time) {
		s.opts.Interval, s.opts.Window = rare.Interval, rare.Window
		h.c.scan.syncScan()
	})
	restarts("a quarter of the time")
	h.pass(4*time.Minute - 1)
	h.idle("30 s, and 60 s of 4 min, less a moment")
	h.pass(1)
	restarts("90 s")
	h.wantSilence(1, 0, "a restart")
	h.pass(6*time.Minute - 1)
	h.idle("90 s of 6 min, less a moment")
	h.pass(1)
	restarts("the restart has not helped")
	h.wantSilence(2, 1, "the restart has not helped")
}
