package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func TestDialMovesTheScanOutOfTheWay(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.States = 0 // this controller says that it cannot do both
	h.scanOn(nil)
	r := h.dial(nil, peerA)
	h.want(hci.LESetScanEnable{}, "the scan pauses")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.scanStarts("the scan comes back by itself")
}

func TestDialRefusedBecauseOfTheScan(t *testing.T) {
	h := newHarness(t, 4)
	h.scanOn(nil)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "this controller says that it can do both")
	h.status(hci.OpLECreateConnection, hci.StatusCommandDisallowed)
	h.want(hci.LESetScanEnable{}, "but it cannot")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.scanStarts("the scan comes back by itself")
	h.dial(nil, peerB)
	h.want(hci.LESetScanEnable{}, "and the next dial knows")
}

func TestScanHasTurnsToo(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.States = 0
	h.scanOn(nil)
	r := h.dial(nil, peerA)
	h.want(hci.LESetScanEnable{}, "the scan pauses")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerA)
	h.pass(dialTurn)
	h.regroup("an absent peer must not blind the scan")
	h.scanStarts("the scan's turn")
	h.pass(scanTurn)
	h.want(hci.LESetScanEnable{}, "the scan pauses")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 1, peerA)
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
	h.want(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}, "this controller says that it can do both")
	h.complete(hci.OpLESetScanParameters, hci.StatusSuccess)
	h.want(hci.LESetScanEnable{Enable: true}, "both")
	h.complete(hci.OpLESetScanEnable, hci.StatusCommandDisallowed)
	h.idle("but it cannot")
	h.pass(dialTurn)
	h.regroup("so they take turns")
	h.scanStarts("the scan's turn")
	h.pass(scanTurn)
	h.want(hci.LESetScanEnable{}, "the scan pauses")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.scanStarts("back for good")
}
