package controller

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// Disconnect lets what was written reach the peer, for up to half a second,
// ends the link with reason 0x13 (remote user terminated) and waits until it is
// down. It returns nil for a link that is down already, and a *[CommandError] if
// the controller refuses to end it, or ctx ends first. A dead ctx is for those
// who do not care to wait: the link ends all the same.
func (l *Link) Disconnect(ctx context.Context) error {
	refused := make(chan error, 1)
	if !l.Post(loop.Func(func(time.Time) {
		l.leaving = true
		l.linger(func() {
			l.requestDisconnect(hci.StatusRemoteUserTerminated, nil, func(err error) { refused <- err })
		})
	})) {
		return nil
	}
	var err error
	select {
	case <-l.done:
	case <-l.c.closed:
	case err = <-refused:
	case <-ctx.Done():
		err = &CommandError{hci.OpDisconnect, context.Cause(ctx)}
	}
	if l.Err() != nil {
		return nil // whatever else came at the same time
	}
	return err
}

// StartDisconnect ends the link with reason (Vol 4, Part E, 7.1.6). cause, if
// not nil, becomes the Cause of the link's error. On the loop.
func (l *Link) StartDisconnect(reason hci.Status, cause error) {
	l.requestDisconnect(reason, cause, nil)
}

// disconnect is StartDisconnect for one who wants to know if the controller
// refuses; refused may be nil.
func (l *Link) requestDisconnect(reason hci.Status, cause error, refused func(error)) {
	if l.c.links[l.handle] != l {
		return
	}
	if refused != nil {
		l.refused = append(l.refused, refused)
	}
	if l.local {
		return
	}
	l.local, l.ending = true, cause
	l.c.runCommand(hci.Disconnect{Handle: l.handle, Reason: reason}, func(_ time.Time, _ []byte, err error) {
		switch {
		case statusOf(err) == hci.StatusUnknownConnection:
			// The controller has no such link: its end was reported and lost, or
			// the report is on its way and will find nothing.
			l.takeDown(&DisconnectError{Handle: l.handle, Peer: l.peer, Reason: hci.StatusUnknownConnection, Local: true, Cause: cause})
		case err != nil:
			l.refuseDisconnect(err)
		default:
			l.awaitDisconnection()
		}
	})
}

// endRefused notes that the link lives though this host asked for its end.
func (l *Link) refuseDisconnect(err error) {
	if l.c.links[l.handle] != l || !l.local {
		return
	}
	refused := l.refused
	l.local, l.leaving, l.ending, l.refused = false, false, nil, nil
	if l.end != nil {
		l.removeWait(l.end)
	}
	for _, f := range refused {
		f(err)
	}
	l.c.dial.startInitiation() // who waited for the end need not any more
}

// awaitEnd gives up on a link whose end the controller began but never
// reported. The link layer may take its supervision timeout to notice that the
// peer does not acknowledge (Vol 6, Part B, 5.1.6); after that, and a margin, a
// report is not on its way any more.
func (l *Link) awaitDisconnection() {
	if l.c.links[l.handle] != l || !l.local {
		return
	}
	l.end = l.awaitEvent(l.State().Params.Timeout+l.c.cfg.commandTimeout(), func(hci.Event) bool { return false }, func(error) {
		if l.c.links[l.handle] == l {
			l.takeDown(&DisconnectError{Handle: l.handle, Peer: l.peer, Reason: hci.StatusLocalHostTerminated, Local: true, Cause: l.ending})
		}
	})
}

// drain calls then once all that is queued has been acknowledged, or after
// lingerTime.
func (l *Link) linger(then func()) {
	c := l.c
	if c.links[l.handle] != l || l.queue.Len()+l.inflight == 0 {
		then()
		return
	}
	w := l.awaitEvent(lingerTime, func(hci.Event) bool { return false }, func(error) { then() })
	l.OnDelivered(func(time.Time) {
		if l.removeWait(w) {
			then()
		}
	})
}

// lingerTime is how long Disconnect and Close let what was written before reach the
// peer. A controller may drop what is in its buffers when it is told to
// disconnect.
const lingerTime = 500 * time.Millisecond
