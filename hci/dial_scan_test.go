package hci

import (
	"testing"
	"time"
)

func TestDialMovesTheScanOutOfTheWay(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.States = 0 // this controller says that it cannot do both
	h.scanOn(nil)
	r := h.dial(nil, peerA)
	h.want(LESetScanEnable{}, "the scan pauses")
	h.complete(OpLESetScanEnable, StatusSuccess)
	h.initiate(peerA)
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.scanStarts("the scan comes back by itself")
}

func TestDialRefusedBecauseOfTheScan(t *testing.T) {
	h := newHarness(t, 4)
	h.scanOn(nil)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "this controller says that it can do both")
	h.status(OpLECreateConnection, StatusCommandDisallowed)
	h.want(LESetScanEnable{}, "but it cannot")
	h.complete(OpLESetScanEnable, StatusSuccess)
	h.initiate(peerA)
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.scanStarts("the scan comes back by itself")
	h.dial(nil, peerB)
	h.want(LESetScanEnable{}, "and the next dial knows")
}

func TestScanHasTurnsToo(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.States = 0
	h.scanOn(nil)
	r := h.dial(nil, peerA)
	h.want(LESetScanEnable{}, "the scan pauses")
	h.complete(OpLESetScanEnable, StatusSuccess)
	h.initiate(peerA)
	h.pass(dialTurn)
	h.regroup("an absent peer must not blind the scan")
	h.scanStarts("the scan's turn")
	h.pass(scanTurn)
	h.want(LESetScanEnable{}, "the scan pauses")
	h.complete(OpLESetScanEnable, StatusSuccess)
	h.initiate(peerA)
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.scanStarts("back for good")
}

func TestScanDuringADialHasTurnsToo(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.States = 0
	h.dial(&ConnectOptions{Timeout: -1}, peerA)
	h.initiate(peerA)
	h.scanner(nil)
	h.idle("the dial goes on for now")
	h.pass(dialTurn)
	h.regroup("an absent peer must not blind a scan that came later")
	h.scanStarts("the scan's turn")
}

func TestScanRefusedBecauseOfADial(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: -1}, peerA)
	h.initiate(peerA)
	h.scanner(nil)
	h.want(LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, "this controller says that it can do both")
	h.complete(OpLESetScanParameters, StatusSuccess)
	h.want(LESetScanEnable{Enable: true, FilterDuplicates: true}, "both")
	h.complete(OpLESetScanEnable, StatusCommandDisallowed)
	h.idle("but it cannot")
	h.pass(dialTurn)
	h.regroup("so they take turns")
	h.scanStarts("the scan's turn")
	h.pass(scanTurn)
	h.want(LESetScanEnable{}, "the scan pauses")
	h.complete(OpLESetScanEnable, StatusSuccess)
	h.initiate(peerA)
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.scanStarts("back for good")
}
