package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// privately reports a link to peerB under its identity address, together with the
// private address that the controller has resolved.
func (h *harness) privately(handle hci.Handle, onAir hci.Addr) {
	h.event(&hci.LEEnhancedConnectionComplete{
		Handle: handle, Peer: hci.Addr{MAC: peerB.MAC, Kind: hci.AddrPublicIdentity}, PeerRPA: onAir.MAC,
		Params: hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Second},
	})
}

var private = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0x46}, Kind: hci.AddrRandom}

func TestDialOfAPrivateAddressThatIsResolved(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(nil, private)
	h.initiate(private)
	h.privately(5, private)
	h.wantDialed(r, nil)
	if own, air := r.l.OnAir(); air != private || r.l.Peer().Identity() != peerB {
		t.Errorf("link of %v to %v, on air as %v", own, r.l.Peer(), air)
	}
	h.idle("the link is the caller's")
}

func TestAnyLinkEndsTheInitiation(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(nil, peerA)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 5, peerB)
	h.want(hci.Disconnect{Handle: 5, Reason: hci.StatusRemoteUserTerminated}, "nobody wants the link")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	h.initiate(peerA) // the controller's initiator is idle again
	h.connected(hci.StatusSuccess, 6, peerA)
	h.wantDialed(r, nil)
	if h.c.dial.mute || h.c.stats.OrphanConnections != 1 {
		t.Errorf("mute %v, %d orphans; want false and 1", h.c.dial.mute, h.c.stats.OrphanConnections)
	}
}

func TestAnyLinkEndsTheCanceledInitiation(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.pass(time.Second)
	h.want(hci.LECreateConnectionCancel{}, "time is up")
	h.connected(hci.StatusSuccess, 5, peerB)
	h.wantDialed(r, ErrDialTimeout)
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
	h.want(hci.Disconnect{Handle: 5, Reason: hci.StatusRemoteUserTerminated}, "nobody wants the link")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	h.pass(cancelWait)
	if h.c.dial.mute {
		t.Error("the controller is held for one that does not confirm a cancel")
	}
}

func TestLinkGoesToWhoStillWaits(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 4
	a := h.dial(nil, peerA)
	h.initiate(peerA)
	b := h.dial(nil, peerA)
	h.regroup("the second joins, and is now the first of the group")
	h.initiate(peerA)
	h.leave(b)
	h.want(hci.LECreateConnectionCancel{}, "it leaves again")
	h.connected(hci.StatusSuccess, 7, peerA)
	h.wantDialed(a, nil)
	h.wantDialed(b, errPending)
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
	h.idle("the link is in use")
}

func TestLinkGoesToWhoWaitsForTheNextTurn(t *testing.T) {
	h := newHarness(t, 4)
	a := h.dial(nil, peerA)
	h.initiate(peerA)
	h.leave(a)
	h.want(hci.LECreateConnectionCancel{}, "the only caller has gone")
	b := h.dial(nil, peerA)
	h.connected(hci.StatusSuccess, 7, peerA)
	h.wantDialed(b, nil)
	h.wantDialed(a, errPending)
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
	h.idle("the link is in use")
}

func TestLateSuccessGoesToAnotherDialForTheSamePeer(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.pass(time.Second)
	h.want(hci.LECreateConnectionCancel{}, "time is up")
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
	h.pass(cancelWait)
	h.wantDialed(r, ErrDialTimeout)
	b, again := h.dial(nil, peerB), h.dial(nil, peerA)
	h.initiate(peerB)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(again, nil)
	h.connected(hci.StatusSuccess, 2, peerB)
	h.wantDialed(b, nil)
	h.idle("both links are in use")
}

func TestFailureInAGroupNamesItsPeer(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 3
	a, b := h.dial(nil, peerA), h.dial(nil, peerB)
	h.want(create(peerA), "the first")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.regroup("the second joins")
	h.initiateAny(peerB, peerA)
	h.event(&hci.LEConnectionComplete{Status: hci.StatusFailedToEstablish, Peer: peerB})
	h.wantDialed(b, hci.StatusFailedToEstablish)
	h.initiate(peerA)
	h.connected(hci.StatusConnectionLimit, 0, hci.Addr{})
	h.wantDialed(a, hci.StatusConnectionLimit)
}

// Three dials share an initiation, which fails for one of the peers, without its name. The
// halves get turns of a second each. The dial to that peer fails in the end; the others go on
// together.
func TestFailureInAGroupIsFoundByHalves(t *testing.T) {
	for _, status := range []hci.Status{hci.StatusHardwareFailure, hci.StatusFailedToEstablish, hci.StatusControllerBusy, hci.StatusUnacceptableParameters} {
		h := newHarness(t, 4)
		h.c.info.AcceptListSize = 3
		peerC := hci.Addr{MAC: hci.MAC{0xC1}}
		a := h.dial(nil, peerA)
		h.want(create(peerA), "the first")
		b, c := h.dial(nil, peerB), h.dial(nil, peerC)
		h.status(hci.OpLECreateConnection, hci.StatusSuccess)
		h.regroup("the others join")
		h.initiateAny(peerB, peerC, peerA)
		h.connected(status, 0, hci.Addr{}) // of peer C
		h.initiate(peerB)
		h.pass(time.Second - 1)
		h.idle("the first half has its turn")
		h.pass(1)
		h.regroup("the other half")
		h.initiateAny(peerC, peerA)
		h.connected(status, 0, hci.Addr{})
		// B has had its turn: the next initiation is for all that have no part.
		h.initiate(peerB)
		h.pass(time.Second)
		h.idle("not a part any more: the turn is a whole one")
		h.pass(2 * time.Second)
		h.regroup("the first quarter")
		h.initiate(peerC)
		h.connected(status, 0, hci.Addr{})
		h.wantDialed(c, status)
		h.initiate(peerA)
		h.connected(hci.StatusSuccess, 1, peerA)
		h.wantDialed(a, nil)
		h.initiate(peerB)
		h.connected(hci.StatusSuccess, 2, peerB)
		h.wantDialed(b, nil)
	}
}

// A failure for the only peer of a group needs no search.
func TestFailureOfDialsToOnePeer(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 3
	a := h.dial(nil, peerA)
	h.want(create(peerA), "the first")
	b := h.dial(nil, peerA)
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.regroup("the second joins")
	h.initiate(peerA)
	h.connected(hci.StatusFailedToEstablish, 0, hci.Addr{})
	h.wantDialed(a, hci.StatusFailedToEstablish)
	h.wantDialed(b, hci.StatusFailedToEstablish)
}
