package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// unconfirmed makes a dial time out and does not confirm its cancel.
func (h *harness) unconfirmed(peers ...hci.Addr) {
	h.t.Helper()
	r := h.dial(&ConnectOptions{Timeout: 3 * time.Second}, peers...)
	if len(peers) > 1 {
		h.initiateAny(peers...)
	} else {
		h.initiate(peers[0])
	}
	h.pass(3 * time.Second)
	h.want(hci.LECreateConnectionCancel{}, "time is up")
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
	h.pass(cancelWait)
	h.wantDialed(r, ErrDialTimeout)
}

func TestControllerStillInitiating(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 4
	h.unconfirmed(peerA)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "the next dial")
	h.status(hci.OpLECreateConnection, hci.StatusCommandDisallowed)
	h.wantDialed(r, ErrStillInitiating)
	r = h.dial(nil, peerA, peerB)
	h.want(hci.LEClearFilterAcceptList{}, "by accept list")
	h.complete(hci.OpLEClearFilterAcceptList, hci.StatusCommandDisallowed)
	h.wantDialed(r, ErrStillInitiating)

	h.connected(hci.StatusUnknownConnection, 0, hci.Addr{})
	r = h.dial(nil, peerA)
	h.want(create(peerA), "the controller has confirmed, if late")
	h.status(hci.OpLECreateConnection, hci.StatusCommandDisallowed)
	if r.done != 1 || errors.Is(r.err, ErrStillInitiating) {
		t.Errorf("got %v, which must have another reason", r.err)
	}
}
