package controller

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Events get lost: the user channel drops packets when its buffer is full, and
// controllers forget to send some. What the host takes for the controller's links
// then differs from the links that the controller has. sweep asks the controller.
//
// A link that has ended without an event is found by a command about it, which
// the controller answers with 0x02, unknown connection. A link that has begun
// without an event is found by its data or events, which bear a handle that the
// host does not know, or by the refusal of a dial with 0x0B, connection exists:
// then the handles that the controller may have given are disconnected one by
// one, since there is no command that lists them.
type sweep struct {
	c *core
	// low and high are the smallest and the largest handle that the controller
	// has given, for a guess at others; any reports whether it has given one.
	low, high hci.Handle
	any       bool
	// strange has the handles of no link of this host that were met in data or
	// events, each with the time at which it is disconnected if it is still
	// strange then.
	strange      map[hci.Handle]time.Time
	strangeTimer timer

	running bool // handles are being tried
	tried   bool // all of them
	found   map[hci.Handle]bool
	timer   timer
}

const (
	// sweepReach is how many handles beyond those seen are tried.
	sweepReach = 8
	// strangeAfter is how long a handle may be strange. The data of a new link may
	// come before the event about it, as over USB, where each has a pipe of its own.
	strangeAfter = time.Second
	// sweepWait bounds a sweep, and after the last Disconnect the wait for the
	// completions.
	sweepWait = time.Second
	// maxHandle is the largest connection handle (Vol 4, Part E, 5.4.2).
	maxHandle hci.Handle = 0x0EFF
)

func (s *sweep) init(c *core) {
	s.c, s.strange, s.found = c, map[hci.Handle]time.Time{}, map[hci.Handle]bool{}
	s.timer.f = func(time.Time) { s.endSweep() }
	s.strangeTimer.f = s.closeStrange
}

// noteHandle notes a handle that the controller has given to a link.
func (s *sweep) noteHandle(h hci.Handle) {
	delete(s.strange, h)
	if !s.any {
		s.low, s.high, s.any = h, h, true
		return
	}
	s.low, s.high = min(s.low, h), max(s.high, h)
}

// noteStrange notes data or an event of a link that the host does not know.
func (s *sweep) noteStrange(h hci.Handle) {
	if _, ok := s.strange[h]; ok || h > maxHandle || len(s.strange) >= 64 || s.c.err != nil {
		return
	}
	s.strange[h] = s.c.now.Add(strangeAfter)
	if s.strangeTimer.index == 0 {
		s.c.timers.setTimer(&s.strangeTimer, s.strange[h])
	}
}

// closeStrange disconnects the handles that have been strange for long enough.
func (s *sweep) closeStrange(now time.Time) {
	var next time.Time
	for _, h := range slices.Sorted(maps.Keys(s.strange)) {
		if due := s.strange[h]; due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		delete(s.strange, h) // whoever goes on gets another one
		s.disconnectHandle(h, func() {})
	}
	s.c.timers.setTimer(&s.strangeTimer, next)
}

// disconnectHandle disconnects h unless it is a link of this host by then. then
// is called after the answer, if the command was sent.
func (s *sweep) disconnectHandle(h hci.Handle, then func()) {
	s.c.runCommandIf(func() bool { return s.c.links[h] == nil }, hci.Disconnect{Handle: h, Reason: hci.StatusRemoteUserTerminated},
		func(_ time.Time, _ []byte, err error) {
			if err == nil {
				s.c.stats.LostEvents++
				s.found[h] = true
			}
			then()
		})
}

// candidates are the handles that an unknown link may have.
func (s *sweep) candidates() []hci.Handle {
	low, high := hci.Handle(0), hci.Handle(2*sweepReach)
	if s.any {
		low, high = s.low-min(s.low, sweepReach), min(s.high+sweepReach, maxHandle)
	}
	var hs []hci.Handle
	for h := low; h <= high && len(hs) < 64; h++ {
		if s.c.links[h] == nil {
			hs = append(hs, h)
		}
	}
	return hs
}

// startSweep ends every link that the host does not know, and then lets dials go
// on.
func (s *sweep) startSweep() {
	if s.running {
		return
	}
	s.running, s.tried, s.found = true, false, map[hci.Handle]bool{}
	hs := s.candidates()
	s.c.timers.setTimer(&s.timer, s.c.now.Add(s.c.cfg.commandTimeout()+sweepWait))
	s.tryHandles(hs)
}

func (s *sweep) tryHandles(rest []hci.Handle) {
	switch {
	case !s.running:
	case len(rest) > 0:
		s.disconnectHandle(rest[0], func() { s.tryHandles(rest[1:]) })
	case len(s.found) == 0:
		s.endSweep()
	default:
		s.tried = true
		s.c.timers.setTimer(&s.timer, s.c.now.Add(sweepWait))
	}
}

// noteDisconnected notes the end of a link that the host never knew.
func (s *sweep) noteDisconnected(h hci.Handle) {
	delete(s.strange, h)
	delete(s.found, h)
	if s.running && s.tried && len(s.found) == 0 {
		s.endSweep()
	}
}

func (s *sweep) endSweep() {
	s.running = false
	s.c.timers.stopTimer(&s.timer)
	s.c.dial.startInitiation()
}

// sweepFor queues x again behind a sweep, if the controller refused to connect
// for a link that the host does not have. It reports false if x has had that
// already, or the host has such a link.
func (d *dialer) sweepFor(x *dial) bool {
	if x.swept || x.gone || slices.ContainsFunc(d.c.sortedLinks(), x.wantsLink) {
		return false
	}
	x.swept = true
	d.waiting = append(d.waiting, x)
	d.c.sweep.startSweep()
	return true
}

// VerifyLinks asks the controller about each link that has been silent for a
// while, and ends those that it does not have: their cause is ErrEventLost. It
// returns how many it ended. Links whose peer was heard within the last second
// are left alone. The error is that of a controller that has ended, or of ctx.
func (ctl *Controller) VerifyLinks(ctx context.Context) (lost int, err error) {
	for _, l := range ctl.Links() {
		if time.Since(l.LastHeard()) < time.Second {
			continue
		}
		gone, err := askLoop(ctx, &ctl.core, commandFailed(hci.OpReadRSSI), func(wanted func() bool, done func(bool, error)) {
			ctl.core.runCommandIf(wanted, hci.ReadRSSI{Handle: l.handle}, func(_ time.Time, _ []byte, err error) {
				gone := statusOf(err) == hci.StatusUnknownConnection && l.c.links[l.handle] == l
				if gone {
					l.c.stats.LostEvents++
					l.takeDown(&DisconnectError{Handle: l.handle, Peer: l.peer, Cause: ErrEventLost})
				}
				if l.c.err == nil { // other answers say that the link exists
					err = nil
				}
				done(gone, err)
			})
		})
		if err != nil {
			return lost, err
		}
		if gone {
			lost++
		}
	}
	return lost, nil
}
