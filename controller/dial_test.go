package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// dialed holds the result of a dial.
type dialed struct {
	x    *dial
	l    *Link
	err  error
	done int
}

func (h *harness) dial(o *ConnectOptions, peers ...hci.Addr) *dialed {
	r := &dialed{}
	r.x = &dial{peers: peers, opts: o}
	r.x.done = func(l *Link, err error) { r.l, r.err, r.done = l, err, r.done+1 }
	h.do(func(time.Time) { h.c.dial.addDial(r.x) })
	return r
}

func create(peer hci.Addr) hci.LECreateConnection {
	p := hci.LECreateConnection{ScanInterval: 60 * time.Millisecond, ScanWindow: 60 * time.Millisecond, Peer: peer}
	p.Params = hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 4200 * time.Millisecond}
	return p
}

// initiate takes the create command and accepts it.
func (h *harness) initiate(peer hci.Addr) {
	h.t.Helper()
	h.want(create(peer), "the dial has its turn")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.idle("initiating")
}

// initiateAny takes the commands that initiate by accept list.
func (h *harness) initiateAny(peers ...hci.Addr) {
	h.t.Helper()
	h.want(hci.LEClearFilterAcceptList{}, "start from an empty list")
	h.complete(hci.OpLEClearFilterAcceptList, hci.StatusSuccess)
	for _, p := range peers {
		h.want(hci.LEAddDeviceToFilterAcceptList{Addr: p}, "a peer of the group")
		h.complete(hci.OpLEAddDeviceToFilterAcceptList, hci.StatusSuccess)
	}
	p := create(hci.Addr{})
	p.FilterPolicy = 1
	h.want(p, "by accept list")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.idle("initiating")
}

// regroup takes the cancel of an initiation that will restart.
func (h *harness) regroup(why string) {
	h.t.Helper()
	h.want(hci.LECreateConnectionCancel{}, why)
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
	h.connected(hci.StatusUnknownConnection, 0, hci.Addr{})
}

func (h *harness) wantDialed(r *dialed, want error) {
	h.t.Helper()
	if r.done != 1 || !errors.Is(r.err, want) || (want == nil) != (r.l != nil) {
		h.t.Fatalf("dial done %d times with %v, %v; want once with %v", r.done, r.l, r.err, want)
	}
}

func TestDial(t *testing.T) {
	h := newHarness(t, 4)
	a, b := h.dial(nil, peerA), h.dial(nil, peerB)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 0x40, peerA)
	h.wantDialed(a, nil)
	if a.l.Handle() != 0x40 || a.l.Peer() != peerA || a.l.Role() != hci.RoleCentral {
		t.Errorf("link %v to %v as %v", a.l.Handle(), a.l.Peer(), a.l.Role())
	}
	h.initiate(peerB)
	h.connected(hci.StatusSuccess, 0x41, peerB)
	h.wantDialed(b, nil)
}

func TestDialLearnsOfFailure(t *testing.T) {
	h := newHarness(t, 4)
	live := h.link(0, peerB)
	r := h.dial(nil, peerA)
	h.initiate(peerA)
	h.connected(hci.StatusFailedToEstablish, 0, hci.Addr{})
	h.wantDialed(r, hci.StatusFailedToEstablish)
	var ce *ConnectError
	if !errors.As(r.err, &ce) || ce.Peer != peerA {
		t.Errorf("error %v does not name the peer", r.err)
	}
	if h.c.links[0] != live || live.Err() != nil {
		t.Error("the failed event, whose handle is 0, touched the live link 0")
	}
}

func TestDialRefusedByStatus(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "sent")
	h.status(hci.OpLECreateConnection, hci.StatusConnectionLimit)
	h.wantDialed(r, hci.StatusConnectionLimit)
	next := h.dial(nil, peerB)
	h.initiate(peerB)
	h.connected(hci.StatusSuccess, 1, peerB)
	h.wantDialed(next, nil)
}

func TestConnectionBeforeTheStatus(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "sent")
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	if r.done != 1 || h.c.dial.state != dialIdle {
		t.Errorf("done %d times, state %d", r.done, h.c.dial.state)
	}
}

func TestDialTimeout(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: 3 * time.Second}, peerA)
	h.initiate(peerA)
	h.pass(3*time.Second - 1)
	h.idle("not before its time")
	h.pass(1)
	h.want(hci.LECreateConnectionCancel{}, "time is up")
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
	if r.done != 0 {
		t.Fatal("the dial ended before the controller said so")
	}
	h.connected(hci.StatusUnknownConnection, 0, hci.Addr{})
	h.wantDialed(r, ErrDialTimeout)
}

func TestLateSuccessAfterTimeoutIsUsed(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.pass(time.Second)
	h.want(hci.LECreateConnectionCancel{}, "time is up")
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.idle("the link is the caller's")
}

func TestCancelNeverConfirmed(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.pass(time.Second)
	h.want(hci.LECreateConnectionCancel{}, "time is up")
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
	next := h.dial(nil, peerB)
	h.pass(cancelWait - 1)
	h.idle("the controller still has time")
	h.pass(1)
	h.wantDialed(r, ErrDialTimeout)
	h.initiate(peerB)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.want(hci.Disconnect{Handle: 1, Reason: hci.StatusRemoteUserTerminated}, "the late link is nobody's")
	h.connected(hci.StatusSuccess, 2, peerB)
	h.wantDialed(next, nil)
	if h.c.stats.OrphanConnections != 1 {
		t.Errorf("%d orphans counted", h.c.stats.OrphanConnections)
	}
}

// A controller that reports the end of a canceled initiation again has only lost one
// event: dials share initiations as before.
func TestCancelConfirmedAgain(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.pass(time.Second)
	h.want(hci.LECreateConnectionCancel{}, "time is up")
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
	h.pass(cancelWait)
	h.wantDialed(r, ErrDialTimeout)
	r = h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.dial(nil, peerB)
	h.idle("no initiation is canceled in vain")
	h.pass(time.Second)
	h.regroup("time is up")
	h.wantDialed(r, ErrDialTimeout)
	h.initiate(peerB)
	h.c.info.AcceptListSize = 4
	h.dial(nil, peerA)
	h.regroup("the other peer joins")
}

// leave does what Connect does when its context ends.
func (h *harness) leave(r *dialed) {
	h.do(func(time.Time) {
		r.x.gone = true
		h.c.dial.stopDial(r.x, errPending)
	})
}

func TestCallerLeavesInEachState(t *testing.T) {
	t.Run("waiting", func(t *testing.T) {
		h := newHarness(t, 4)
		h.dial(nil, peerB)
		h.want(create(peerB), "first")
		r := h.dial(nil, peerA)
		h.leave(r)
		h.wantDialed(r, errPending)
		h.connected(hci.StatusSuccess, 1, peerB)
		h.status(hci.OpLECreateConnection, hci.StatusSuccess)
		h.idle("the queued dial is never begun")
	})
	t.Run("starting", func(t *testing.T) {
		h := newHarness(t, 4)
		r := h.dial(nil, peerA)
		h.want(create(peerA), "sent")
		h.leave(r)
		h.idle("there is nothing to cancel before the status")
		h.status(hci.OpLECreateConnection, hci.StatusSuccess)
		h.want(hci.LECreateConnectionCancel{}, "now there is")
		h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
		h.connected(hci.StatusUnknownConnection, 0, hci.Addr{})
		h.wantDialed(r, errPending)
	})
	t.Run("initiating, late success", func(t *testing.T) {
		h := newHarness(t, 4)
		r := h.dial(nil, peerA)
		h.initiate(peerA)
		h.leave(r)
		h.want(hci.LECreateConnectionCancel{}, "the caller has gone")
		h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
		h.connected(hci.StatusSuccess, 9, peerA)
		h.wantDialed(r, errPending)
		h.want(hci.Disconnect{Handle: 9, Reason: hci.StatusRemoteUserTerminated}, "nobody wants the link")
		h.status(hci.OpDisconnect, hci.StatusSuccess)
		h.event(&hci.DisconnectionComplete{Handle: 9, Reason: hci.StatusLocalHostTerminated})
		if len(h.c.links) != 0 || h.c.timers.nextDue() != (time.Time{}) {
			t.Errorf("%d links, next timer %v", len(h.c.links), h.c.timers.nextDue())
		}
	})
	t.Run("canceling after timeout, late success", func(t *testing.T) {
		h := newHarness(t, 4)
		r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
		h.initiate(peerA)
		h.pass(time.Second)
		h.want(hci.LECreateConnectionCancel{}, "time is up")
		h.leave(r)
		h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
		h.connected(hci.StatusSuccess, 9, peerA)
		h.wantDialed(r, ErrDialTimeout)
		h.want(hci.Disconnect{Handle: 9, Reason: hci.StatusRemoteUserTerminated}, "nobody wants the link")
	})
}

func TestDialAnyUsesTheAcceptList(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 4
	r := h.dial(nil, peerA, peerB)
	h.initiateAny(peerA, peerB)
	h.connected(hci.StatusSuccess, 1, peerB)
	h.wantDialed(r, nil)
	if r.l.Peer() != peerB {
		t.Errorf("connected to %v", r.l.Peer())
	}
}

func TestHandleReusedWithoutDisconnection(t *testing.T) {
	h := newHarness(t, 4)
	old := h.link(1, peerB)
	r := h.dial(nil, peerA)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	if !errors.Is(old.Err(), ErrStale) || h.c.links[1] != r.l {
		t.Errorf("the old link ended with %v", old.Err())
	}
}

func TestDialWaitsForTheEndOfTheOldLink(t *testing.T) {
	h := newHarness(t, 4)
	old := h.link(1, peerA)
	h.do(func(time.Time) { old.StartDisconnect(hci.StatusRemoteUserTerminated, nil) })
	h.want(hci.Disconnect{Handle: 1, Reason: hci.StatusRemoteUserTerminated}, "closing")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	a, b := h.dial(nil, peerA), h.dial(nil, peerB)
	h.initiate(peerB)
	h.connected(hci.StatusSuccess, 2, peerB)
	h.wantDialed(b, nil)
	h.idle("the controller would refuse a second link to the first peer")
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusLocalHostTerminated})
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(a, nil)
}

func TestDialsShareOneInitiation(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 3
	absent := h.dial(&ConnectOptions{Timeout: 10 * time.Second}, peerA)
	h.initiate(peerA)
	h.pass(4 * time.Second)
	b := h.dial(nil, peerB)
	h.regroup("the second joins the first")
	h.initiateAny(peerB, peerA)
	peerC := hci.Addr{MAC: hci.MAC{0xC1}}
	c := h.dial(nil, peerC)
	h.regroup("the third joins both")
	h.initiateAny(peerC, peerB, peerA)
	h.connected(hci.StatusSuccess, 1, peerC)
	h.wantDialed(c, nil)
	h.initiateAny(peerB, peerA)
	h.pass(6 * time.Second)
	h.regroup("the first one's 10 s are over, counted from its first initiation")
	h.wantDialed(absent, ErrDialTimeout)
	h.initiate(peerB)
	h.connected(hci.StatusSuccess, 2, peerB)
	h.wantDialed(b, nil)
	h.idle("nothing is left to do")
	if h.c.timers.nextDue() != (time.Time{}) {
		t.Error("a timer is left")
	}
}

func TestConnectionBeforeARegroupingCancel(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 3
	a := h.dial(nil, peerA)
	h.initiate(peerA)
	b := h.dial(nil, peerB)
	h.want(hci.LECreateConnectionCancel{}, "the second joins the first")
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(a, nil)
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
	h.initiate(peerB)
	h.connected(hci.StatusSuccess, 2, peerB)
	h.wantDialed(b, nil)
}

func TestDialsTakeTurnsWithoutAcceptList(t *testing.T) {
	h := newHarness(t, 4)
	a, b := h.dial(nil, peerA), h.dial(nil, peerB)
	h.initiate(peerA)
	h.pass(dialTurn)
	h.regroup("the first one's turn is over")
	h.initiate(peerB)
	h.pass(dialTurn)
	h.regroup("the second one's too")
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(a, nil)
	h.initiate(peerB)
	h.pass(20*time.Second - dialTurn - 1)
	h.idle("alone it is left alone")
	h.pass(1)
	h.regroup("20 s since its first turn")
	h.wantDialed(b, ErrDialTimeout)
}

// A controller may report a failure, or the late success of an earlier
// initiation, while the accept list is being filled.
func TestInitiationEndsWhileItIsPrepared(t *testing.T) {
	h := newHarness(t, 1)
	h.c.info.AcceptListSize = 4
	a := h.dial(nil, peerA, peerB)
	h.want(hci.LEClearFilterAcceptList{}, "two peers go by accept list")
	h.connected(hci.StatusFailedToEstablish, 0, peerA)
	h.wantDialed(a, hci.StatusFailedToEstablish)
	h.complete(hci.OpLEClearFilterAcceptList, hci.StatusSuccess)
	h.idle("nobody is left to initiate for")

	b := h.dial(nil, peerA, peerB)
	h.want(hci.LEClearFilterAcceptList{}, "the next dial")
	h.connected(hci.StatusSuccess, 1, peerB)
	h.wantDialed(b, nil)
	h.complete(hci.OpLEClearFilterAcceptList, hci.StatusSuccess)
	h.idle("the dial has its link already")
}

func TestDialGoesOnWhenTheOldLinkDoesNotEnd(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(1, peerA)
	h.do(func(time.Time) { l.StartDisconnect(hci.StatusRemoteUserTerminated, nil) })
	a := h.dial(nil, peerA)
	h.want(hci.Disconnect{Handle: 1, Reason: hci.StatusRemoteUserTerminated}, "the dial waits for this")
	h.status(hci.OpDisconnect, hci.StatusUnspecified)
	h.want(create(peerA), "the controller refused to end the link")
	h.status(hci.OpLECreateConnection, hci.StatusConnectionExists)
	h.wantDialed(a, hci.StatusConnectionExists)
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
	if err := l.Err(); err.(*DisconnectError).Local || !errors.Is(err, hci.StatusConnectionTimeout) {
		t.Errorf("the link ended with %v", err)
	}
}
