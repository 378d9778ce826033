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
