package controller

import (
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// stopDial ends a dial whose caller has left or whose timeout has expired. Its
// error is end, unless the connection comes first.
func (d *dialer) stopDial(x *dial, end error) {
	if i := slices.Index(d.waiting, x); i >= 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
		d.finishDial(x, nil, end)
		return
	}
	if slices.Contains(d.group, x) && x.end == nil {
		x.end = end
		d.reconsider()
	}
}

// cancelInitiation cancels the initiation. The connection complete event reports
// its end, with status 0x02, or with a connection that was faster.
func (d *dialer) cancelInitiation() {
	d.state, d.over = dialCanceling, false
	d.c.timers.setTimer(&d.timer, d.c.now.Add(d.c.cfg.commandTimeout()+cancelWait))
	d.c.runCommand(hci.LECreateConnectionCancel{}, func(now time.Time, _ []byte, err error) {
		// The status 0x0C means that nothing is pending: the connection was faster,
		// and its event follows, unless it was lost.
		if d.state == dialCanceling {
			d.over = statusOf(err) == hci.StatusCommandDisallowed
			d.c.timers.setTimer(&d.timer, now.Add(cancelWait))
		}
	})
}

// handleDialTimer ends the turn, or the wait, that the timer bounds in each state.
func (d *dialer) handleDialTimer(time.Time) {
	switch d.state {
	case dialInitiating: // end of dialTurn
		d.cancelInitiation()
	case dialCanceling:
		d.c.log.Log(d.c.ctx, LevelController, "the controller did not report the end of a canceled initiation", "over", d.over)
		d.stuck = true
		if d.over {
			d.sweepGroup()
		} else {
			d.mute = true
		}
		d.endInitiation(nil)
	case dialIdle: // end of scanTurn
		d.resting = false
		d.startInitiation()
	case dialStarting:
	}
}

// endInitiation ends the initiation and starts the next one. With an error the
// dials of the group fail. Without one, the dials that are still wanted queue
// behind the waiting ones.
func (d *dialer) endInitiation(err error) {
	if d.stuck && statusOf(err) == hci.StatusCommandDisallowed {
		err = fmt.Errorf("%w: %w", ErrStillInitiating, err)
	}
	group, peers := d.group, d.groupPeers()
	turned, rest := d.state == dialCanceling, scanTurn
	if len(d.waiting) > 0 {
		rest = seekTurn
	}
	d.group, d.state, d.parted = nil, dialIdle, false
	d.c.timers.stopTimer(&d.timer)
	for _, x := range group {
		switch {
		case x.end != nil:
			d.finishDial(x, nil, x.end)
		case statusOf(err) == hci.StatusConnectionExists && d.sweepFor(x):
		case err != nil:
			x.initiation, x.shared = d.attempt, peers
			d.finishDial(x, nil, err)
		default:
			d.waiting = append(d.waiting, x)
		}
	}
	if turned && len(d.waiting) > 0 && !d.c.info.scanWhileInitiating() && len(d.c.scan.scanners) > 0 && !d.c.quiet.holdsBack() && d.c.err == nil {
		d.resting = true
		d.c.scan.resumeScan()
		d.c.timers.setTimer(&d.timer, d.c.now.Add(rest))
		return
	}
	d.startInitiation()
}

// finishDial returns the result to the caller of x, which must be in no list.
func (d *dialer) finishDial(x *dial, l *Link, err error) {
	d.c.timers.stopTimer(&x.timer)
	if err != nil {
		if x.swept && statusOf(err) == hci.StatusConnectionExists {
			err = fmt.Errorf("%w: %w", ErrUnknownLink, err)
		}
		e := connectError(x.peers, err)
		e.Initiation, e.Shared = x.initiation, x.shared
		err = e
	}
	x.done(l, err)
}

// connectError returns err as the error of a dial to peers.
func connectError(peers []hci.Addr, err error) *ConnectError {
	e := &ConnectError{Err: err}
	if len(peers) == 1 {
		e.Peer = peers[0]
	}
	return e
}

// failDials ends all dials with err.
func (d *dialer) failDials(err error) {
	dials := slices.Concat(d.group, d.waiting)
	d.group, d.waiting, d.state, d.resting = nil, nil, dialIdle, false
	d.c.timers.stopTimer(&d.timer)
	for _, x := range dials {
		d.finishDial(x, nil, err)
	}
}
