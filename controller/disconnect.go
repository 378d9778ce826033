package controller

import (
	"context"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// Disconnect waits up to half a second until queued data has reached the peer,
// ends the link with reason 0x13 (remote user terminated) and waits until it is
// down. It returns nil if the link is down already, and a *[CommandError] if the
// controller refuses to end it or ctx ends first. The link ends even if ctx has
// ended before the call; Disconnect then does not wait.
func (l *Link) Disconnect(ctx context.Context) error {
	refused := make(chan error, 1)
	if !l.Post(loop.Func(func(time.Time) {
		l.setEnding(true)
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
		return nil // the link is down, even if something else came at the same time
	}
	return err
}

// StartDisconnect ends the link with reason (Vol 4, Part E, 7.1.6) and does not
// wait for its end. cause, if not nil, becomes the Cause of the link's error. Must
// run on the loop.
func (l *Link) StartDisconnect(reason hci.Status, cause error) {
	l.requestDisconnect(reason, cause, nil)
}

// requestDisconnect is StartDisconnect with a function that is called if the
// controller refuses to end the link; refused may be nil.
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
	l.setEnding(true)
	l.runLinkCommand(nil, hci.Disconnect{Handle: l.handle, Reason: reason}, func(_ time.Time, _ []byte, err error) {
		switch {
		case statusOf(err) == hci.StatusUnknownConnection:
			// The controller has no such link. The event about its end is lost, or
			// follows and will be ignored.
			l.takeDown(&DisconnectError{Handle: l.handle, Peer: l.peer, Reason: hci.StatusUnknownConnection, Local: true, Cause: cause})
		case err != nil:
			l.refuseDisconnect(err)
		default:
			l.awaitDisconnection()
		}
	})
}

// setEnding enters whether this host ends the link into its state and into the list of
// such links. A link that is down stays as it is.
func (l *Link) setEnding(yes bool) {
	if l.c.links[l.handle] != l || l.leaving == yes {
		return
	}
	if l.leaving = yes; yes {
		l.c.leaving = append(l.c.leaving, l)
	} else {
		l.forgetLeaving()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Ending = yes
}

// forgetLeaving removes l from the list of links that this host ends.
func (l *Link) forgetLeaving() {
	l.c.leaving = slices.DeleteFunc(l.c.leaving, func(o *Link) bool { return o == l })
}

// refuseDisconnect handles the controller's refusal to end the link.
func (l *Link) refuseDisconnect(err error) {
	if l.c.links[l.handle] != l || !l.local {
		return
	}
	refused := l.refused
	l.local, l.ending, l.refused = false, nil, nil
	l.setEnding(false)
	if l.end != nil {
		l.removeWait(l.end)
	}
	l.c.stalls.noteKept(l)
	for _, f := range refused {
		f(err)
	}
	l.c.dial.startInitiation() // dials to the peer need not wait for the end any more
}

// awaitDisconnection takes the link down if the controller accepted the command
// but never reports the end. The link layer of a peer that does not acknowledge
// needs its supervision timeout (Vol 6, Part B, 5.1.6); the event is lost if it
// does not come within that time and a margin.
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

// linger calls then once all queued data has been acknowledged, or after
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

// lingerTime bounds how long Disconnect and Close wait for queued data to reach the
// peer. A controller may drop the data in its buffers when it disconnects.
const lingerTime = 500 * time.Millisecond
