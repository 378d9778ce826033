package hci

import (
	"errors"
	"testing"
	"time"
)

// dialed is where the result of a dial will be.
type dialed struct {
	x    *dial
	l    *Link
	err  error
	done int
}

func (h *harness) dial(o *ConnectOptions, peers ...Addr) *dialed {
	r := &dialed{}
	r.x = &dial{peers: peers, opts: o}
	r.x.done = func(l *Link, err error) { r.l, r.err, r.done = l, err, r.done+1 }
	h.do(func(time.Time) { h.c.dial.add(r.x) })
	return r
}

func create(peer Addr) LECreateConnection {
	p := LECreateConnection{ScanInterval: 60 * time.Millisecond, ScanWindow: 60 * time.Millisecond, Peer: peer}
	p.Params = ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 4200 * time.Millisecond}
	return p
}

// initiate takes the create command and accepts it.
func (h *harness) initiate(peer Addr) {
	h.t.Helper()
	h.want(create(peer), "the dial has its turn")
	h.status(OpLECreateConnection, StatusSuccess)
	h.idle("initiating")
}

// initiateAny takes the commands that initiate by accept list.
func (h *harness) initiateAny(peers ...Addr) {
	h.t.Helper()
	h.want(LEClearFilterAcceptList{}, "start from an empty list")
	h.complete(OpLEClearFilterAcceptList, StatusSuccess)
	for _, p := range peers {
		h.want(LEAddDeviceToFilterAcceptList{Addr: p}, "a peer of the group")
		h.complete(OpLEAddDeviceToFilterAcceptList, StatusSuccess)
	}
	p := create(Addr{})
	p.FilterPolicy = 1
	h.want(p, "by accept list")
	h.status(OpLECreateConnection, StatusSuccess)
	h.idle("initiating")
}

// regroup takes the cancel of an initiation that is to begin anew.
func (h *harness) regroup(why string) {
	h.t.Helper()
	h.want(LECreateConnectionCancel{}, why)
	h.complete(OpLECreateConnectionCancel, StatusSuccess)
	h.connected(StatusUnknownConnection, 0, Addr{})
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
	h.connected(StatusSuccess, 0x40, peerA)
	h.wantDialed(a, nil)
	if a.l.Handle() != 0x40 || a.l.Peer() != peerA || a.l.Role() != RoleCentral {
		t.Errorf("link %v to %v as %v", a.l.Handle(), a.l.Peer(), a.l.Role())
	}
	h.initiate(peerB)
	h.connected(StatusSuccess, 0x41, peerB)
	h.wantDialed(b, nil)
}

func TestDialLearnsOfFailure(t *testing.T) {
	h := newHarness(t, 4)
	live := h.link(0, peerB)
	r := h.dial(nil, peerA)
	h.initiate(peerA)
	h.connected(StatusFailedToEstablish, 0, Addr{})
	h.wantDialed(r, StatusFailedToEstablish)
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
	h.status(OpLECreateConnection, StatusConnectionLimit)
	h.wantDialed(r, StatusConnectionLimit)
	next := h.dial(nil, peerB)
	h.initiate(peerB)
	h.connected(StatusSuccess, 1, peerB)
	h.wantDialed(next, nil)
}

func TestConnectionBeforeTheStatus(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "sent")
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.status(OpLECreateConnection, StatusSuccess)
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
	h.want(LECreateConnectionCancel{}, "time is up")
	h.complete(OpLECreateConnectionCancel, StatusSuccess)
	if r.done != 0 {
		t.Fatal("the dial ended before the controller said so")
	}
	h.connected(StatusUnknownConnection, 0, Addr{})
	h.wantDialed(r, ErrDialTimeout)
}

func TestLateSuccessAfterTimeoutIsUsed(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.pass(time.Second)
	h.want(LECreateConnectionCancel{}, "time is up")
	h.complete(OpLECreateConnectionCancel, StatusCommandDisallowed)
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.idle("the link is the caller's")
}

func TestCancelNeverConfirmed(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
	h.initiate(peerA)
	h.pass(time.Second)
	h.want(LECreateConnectionCancel{}, "time is up")
	h.complete(OpLECreateConnectionCancel, StatusSuccess)
	next := h.dial(nil, peerB)
	h.pass(cancelWait - 1)
	h.idle("the controller still has time")
	h.pass(1)
	h.wantDialed(r, ErrDialTimeout)
	h.initiate(peerB)
	h.connected(StatusSuccess, 1, peerA)
	h.want(Disconnect{Handle: 1, Reason: StatusRemoteUserTerminated}, "the late link is nobody's")
	h.connected(StatusSuccess, 2, peerB)
	h.wantDialed(next, nil)
	if h.c.stats.OrphanConnections != 1 {
		t.Errorf("%d orphans counted", h.c.stats.OrphanConnections)
	}
}

// leave is what Connect does when its context ends.
func (h *harness) leave(r *dialed) {
	h.do(func(time.Time) {
		r.x.gone = true
		h.c.dial.stop(r.x, errPending)
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
		h.connected(StatusSuccess, 1, peerB)
		h.status(OpLECreateConnection, StatusSuccess)
		h.idle("the queued dial is never begun")
	})
	t.Run("starting", func(t *testing.T) {
		h := newHarness(t, 4)
		r := h.dial(nil, peerA)
		h.want(create(peerA), "sent")
		h.leave(r)
		h.idle("there is nothing to cancel before the status")
		h.status(OpLECreateConnection, StatusSuccess)
		h.want(LECreateConnectionCancel{}, "now there is")
		h.complete(OpLECreateConnectionCancel, StatusSuccess)
		h.connected(StatusUnknownConnection, 0, Addr{})
		h.wantDialed(r, errPending)
	})
	t.Run("initiating, late success", func(t *testing.T) {
		h := newHarness(t, 4)
		r := h.dial(nil, peerA)
		h.initiate(peerA)
		h.leave(r)
		h.want(LECreateConnectionCancel{}, "the caller has gone")
		h.complete(OpLECreateConnectionCancel, StatusCommandDisallowed)
		h.connected(StatusSuccess, 9, peerA)
		h.wantDialed(r, errPending)
		h.want(Disconnect{Handle: 9, Reason: StatusRemoteUserTerminated}, "nobody wants the link")
		h.status(OpDisconnect, StatusSuccess)
		h.event(&DisconnectionComplete{Handle: 9, Reason: StatusLocalHostTerminated})
		if len(h.c.links) != 0 || h.c.timers.next() != (time.Time{}) {
			t.Errorf("%d links, next timer %v", len(h.c.links), h.c.timers.next())
		}
	})
	t.Run("canceling after timeout, late success", func(t *testing.T) {
		h := newHarness(t, 4)
		r := h.dial(&ConnectOptions{Timeout: time.Second}, peerA)
		h.initiate(peerA)
		h.pass(time.Second)
		h.want(LECreateConnectionCancel{}, "time is up")
		h.leave(r)
		h.complete(OpLECreateConnectionCancel, StatusSuccess)
		h.connected(StatusSuccess, 9, peerA)
		h.wantDialed(r, ErrDialTimeout)
		h.want(Disconnect{Handle: 9, Reason: StatusRemoteUserTerminated}, "nobody wants the link")
	})
}

func TestDialAnyUsesTheAcceptList(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 4
	r := h.dial(nil, peerA, peerB)
	h.initiateAny(peerA, peerB)
	h.connected(StatusSuccess, 1, peerB)
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
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	if !errors.Is(old.Err(), ErrStale) || h.c.links[1] != r.l {
		t.Errorf("the old link ended with %v", old.Err())
	}
}

func TestDialWaitsForTheEndOfTheOldLink(t *testing.T) {
	h := newHarness(t, 4)
	old := h.link(1, peerA)
	h.do(func(time.Time) { old.StartDisconnect(StatusRemoteUserTerminated, nil) })
	h.want(Disconnect{Handle: 1, Reason: StatusRemoteUserTerminated}, "closing")
	h.status(OpDisconnect, StatusSuccess)
	a, b := h.dial(nil, peerA), h.dial(nil, peerB)
	h.initiate(peerB)
	h.connected(StatusSuccess, 2, peerB)
	h.wantDialed(b, nil)
	h.idle("the controller would refuse a second link to the first peer")
	h.event(&DisconnectionComplete{Handle: 1, Reason: StatusLocalHostTerminated})
	h.initiate(peerA)
	h.connected(StatusSuccess, 1, peerA)
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
	peerC := Addr{MAC: MAC{0xC1}}
	c := h.dial(nil, peerC)
	h.regroup("the third joins both")
	h.initiateAny(peerC, peerB, peerA)
	h.connected(StatusSuccess, 1, peerC)
	h.wantDialed(c, nil)
	h.initiateAny(peerB, peerA)
	h.pass(6 * time.Second)
	h.regroup("the first one's 10 s are over, counted from its first initiation")
	h.wantDialed(absent, ErrDialTimeout)
	h.initiate(peerB)
	h.connected(StatusSuccess, 2, peerB)
	h.wantDialed(b, nil)
	h.idle("nothing is left to do")
	if h.c.timers.next() != (time.Time{}) {
		t.Error("a timer is left")
	}
}

func TestConnectionBeforeARegroupingCancel(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 3
	a := h.dial(nil, peerA)
	h.initiate(peerA)
	b := h.dial(nil, peerB)
	h.want(LECreateConnectionCancel{}, "the second joins the first")
	h.connected(StatusSuccess, 1, peerA)
	h.wantDialed(a, nil)
	h.complete(OpLECreateConnectionCancel, StatusCommandDisallowed)
	h.initiate(peerB)
	h.connected(StatusSuccess, 2, peerB)
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
	h.connected(StatusSuccess, 1, peerA)
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
	h.want(LEClearFilterAcceptList{}, "two peers go by accept list")
	h.connected(StatusFailedToEstablish, 0, peerA)
	h.wantDialed(a, StatusFailedToEstablish)
	h.complete(OpLEClearFilterAcceptList, StatusSuccess)
	h.idle("nobody is left to initiate for")

	b := h.dial(nil, peerA, peerB)
	h.want(LEClearFilterAcceptList{}, "the next dial")
	h.connected(StatusSuccess, 1, peerB)
	h.wantDialed(b, nil)
	h.complete(OpLEClearFilterAcceptList, StatusSuccess)
	h.idle("the dial has its link already")
}

func TestDialGoesOnWhenTheOldLinkDoesNotEnd(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(1, peerA)
	h.do(func(time.Time) { l.StartDisconnect(StatusRemoteUserTerminated, nil) })
	a := h.dial(nil, peerA)
	h.want(Disconnect{Handle: 1, Reason: StatusRemoteUserTerminated}, "the dial waits for this")
	h.status(OpDisconnect, StatusUnspecified)
	h.want(create(peerA), "the controller refused to end the link")
	h.status(OpLECreateConnection, StatusConnectionExists)
	h.wantDialed(a, StatusConnectionExists)
	h.event(&DisconnectionComplete{Handle: 1, Reason: StatusConnectionTimeout})
	if err := l.Err(); err.(*DisconnectError).Local || !errors.Is(err, StatusConnectionTimeout) {
		t.Errorf("the link ended with %v", err)
	}
}
