package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// sweep ends links of the controller that the host does not know. Events get lost:
// the kernel drops packets of a user channel while its buffer is full, and some
// controllers omit events. The links of the host then differ from the links of the
// controller.
//
// The host learns of an unknown link by data or events with an unknown handle; by a
// dial that the controller refuses with 0x0B, connection already exists; or by an
// initiation that was over when it was canceled, without an event. In the latter two
// cases the handle is unknown too, and no command lists the handles. So the sweep
// disconnects every handle that the controller may have assigned, one by one.
// VerifyLinks handles the opposite, links that have ended without an event.
type sweep struct {
	c *core
	// low and high are the smallest and the largest handle that the controller has
	// assigned so far; given reports whether it has assigned one.
	low, high hci.Handle
	given     bool
	// unknown holds the unknown handles in data and events. Each is disconnected at
	// the time in the map if it is still unknown then.
	unknown      map[hci.Handle]time.Time
	unknownTimer timer

	ended ended // the latest end of an unknown link

	running bool                // a sweep is under way
	tried   bool                // it has disconnected all candidates
	found   map[hci.Handle]bool // the handles that the controller has accepted
	timer   timer
}

const (
	// sweepReach is the number of handles below low and above high that are tried.
	sweepReach = 8
	// unknownGrace is how long a handle may be unknown. The data of a new link may
	// come before its event, because USB has separate pipes for data and events.
	unknownGrace = time.Second
	// sweepWait bounds the wait for Disconnection Complete after the last command.
	sweepWait = time.Second
)

func (s *sweep) init(c *core) {
	s.c, s.unknown, s.found = c, map[hci.Handle]time.Time{}, map[hci.Handle]bool{}
	s.timer.f = func(time.Time) { s.endSweep() }
	s.unknownTimer.f = s.closeUnknown
}

// noteHandle records the handle of a new link.
func (s *sweep) noteHandle(h hci.Handle) {
	delete(s.unknown, h)
	if !s.given {
		s.low, s.high, s.given = h, h, true
		return
	}
	s.low, s.high = min(s.low, h), max(s.high, h)
}

// noteUnknown records data or an event with an unknown handle.
func (s *sweep) noteUnknown(h hci.Handle) {
	if _, ok := s.unknown[h]; ok || h > hci.MaxHandle || len(s.unknown) >= 64 || s.c.err != nil {
		return
	}
	s.unknown[h] = s.c.now.Add(unknownGrace)
	if s.unknownTimer.index == 0 {
		s.c.timers.setTimer(&s.unknownTimer, s.unknown[h])
	}
}

// closeUnknown disconnects the handles that have been unknown for unknownGrace.
func (s *sweep) closeUnknown(now time.Time) {
	var next time.Time
	for _, h := range slices.Sorted(maps.Keys(s.unknown)) {
		if due := s.unknown[h]; due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		delete(s.unknown, h) // later data of it is recorded anew
		s.disconnectHandle(h, func() {})
	}
	s.c.timers.setTimer(&s.unknownTimer, next)
}

// disconnectHandle disconnects h, unless it is the handle of a known link when the
// command is sent. In that case then is not called; otherwise it is called after the
// answer.
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

// candidates returns the handles that an unknown link may have, at most 64.
func (s *sweep) candidates() []hci.Handle {
	low, high := hci.Handle(0), hci.Handle(2*sweepReach)
	if s.given {
		low, high = s.low-min(s.low, sweepReach), min(s.high+sweepReach, hci.MaxHandle)
	}
	var hs []hci.Handle
	for h := low; h <= high && len(hs) < 64; h++ {
		if s.c.links[h] == nil {
			hs = append(hs, h)
		}
	}
	return hs
}

// startSweep disconnects all candidates. endSweep is called once they are down, or
// when the time is up.
func (s *sweep) startSweep() {
	if s.running {
		return
	}
	s.running, s.tried, s.found = true, false, map[hci.Handle]bool{}
	hs := s.candidates()
	s.c.timers.setTimer(&s.timer, s.c.now.Add(s.c.cfg.commandTimeout()+sweepWait))
	s.tryHandles(hs)
}

// tryHandles disconnects the handles in rest, one after the other, and then waits for
// the completions.
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

// noteDisconnected handles the end of an unknown link.
func (s *sweep) noteDisconnected(h hci.Handle) {
	delete(s.unknown, h)
	if !s.found[h] {
		s.ended = ended{h, s.c.now}
	}
	delete(s.found, h)
	if s.running && s.tried && len(s.found) == 0 {
		s.endSweep()
	}
}

// endSweep ends the sweep and lets the dials continue.
func (s *sweep) endSweep() {
	s.running = false
	s.c.timers.stopTimer(&s.timer)
	s.c.dial.startInitiation()
}

// sweepFor starts a sweep and queues x again, after the controller has refused x
// because it has a link to the peer. It returns false, without a sweep, if the host
// knows that link or if x has had its sweep already.
func (d *dialer) sweepFor(x *dial) bool {
	if x.swept || x.gone || slices.ContainsFunc(d.c.up.listLinks(), x.wantsLink) {
		return false
	}
	x.swept = true
	d.waiting = append(d.waiting, x)
	d.c.sweep.startSweep()
	return true
}

// sweepGroup starts a sweep before the dials of the group are queued again: their
// initiation has ended without an event, perhaps with a link to one of the peers.
func (d *dialer) sweepGroup() {
	for _, x := range d.group {
		x.swept = true
	}
	d.c.sweep.startSweep()
}
