package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// hear delivers a connectable advertisement of peer.
func (h *harness) hear(peer hci.Addr) {
	h.event(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Type: hci.AdvInd, Addr: peer, RSSI: -50}}})
}

// Dials with different parameters cannot share the initiator. A dial whose peer is
// heard gets it at once and keeps it for its turn. The others wait.
func TestDialThatIsHeardGetsTheTurn(t *testing.T) {
	h := newHarness(t, 4)
	own := func(timeout time.Duration) *ConnectOptions {
		return &ConnectOptions{Timeout: -1, Params: hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: timeout}}
	}
	with := func(peer hci.Addr, timeout time.Duration) hci.LECreateConnection {
		c := create(peer)
		c.Params.Timeout = timeout
		return c
	}
	asleep, awake := h.dial(own(4*time.Second), peerA), h.dial(own(5*time.Second), peerB)
	h.want(with(peerA, 4*time.Second), "came first")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.pass(time.Second)
	h.hear(hci.Addr{MAC: hci.MAC{9}})
	h.idle("a stranger")
	h.hear(peerB)
	h.regroup("the other peer is heard")
	h.want(with(peerB, 5*time.Second), "it has the initiator")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.hear(peerB)
	h.hear(peerA)
	h.idle("a turn that was given for that is not cut short")
	h.pass(dialTurn)
	h.regroup("the turn is over")
	h.want(with(peerA, 4*time.Second), "by turns")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.hear(peerB)
	h.idle("not again so soon")
	h.connected(hci.StatusSuccess, 0x40, peerA)
	h.wantDialed(asleep, nil)
	h.want(with(peerB, 5*time.Second), "next")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.connected(hci.StatusSuccess, 0x41, peerB)
	h.wantDialed(awake, nil)
}

// On a controller that cannot scan while it initiates, and whose dials cannot share the
// initiator, the scan finds the dial that is next: it has most of the time, and its turn
// ends as soon as it hears the peer of a dial.
func TestScanFindsTheDialThatIsNext(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.States, h.c.info.AcceptListSize = 0, 1
	h.scanOn(nil)
	h.dial(&ConnectOptions{Timeout: -1}, peerA)
	h.want(hci.LESetScanEnable{}, "the scan pauses")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerA)
	awake := h.dial(&ConnectOptions{Timeout: -1}, peerB)
	h.idle("no room in the accept list")
	h.pass(dialTurn)
	h.regroup("the turn that began before the second dial")
	h.scanStarts("the scan's turn")
	h.pass(seekTurn - 1)
	h.idle("a long one")
	h.pass(1)
	h.want(hci.LESetScanEnable{}, "the scan pauses")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerB)
	h.pass(blindTurn - 1)
	h.idle("a short turn for a peer that is not heard")
	h.pass(1)
	h.regroup("the turn is over")
	h.scanStarts("the scan's turn")
	h.pass(seekTurn / 4)
	h.hear(peerB)
	h.want(hci.LESetScanEnable{}, "the peer is heard: the scan's turn is over")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.initiate(peerB)
	h.pass(dialTurn - 1)
	h.idle("a whole turn")
	h.connected(hci.StatusSuccess, 0x40, peerB)
	h.wantDialed(awake, nil)
}
