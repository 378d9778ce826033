package controller

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/hci"
)

// minStall is the least time after which data without an acknowledgment ends its link.
// stallMargin is the time beyond the supervision timeout: a link whose peer has gone
// ends by that timeout, without any data.
const (
	minStall    = 6 * time.Second
	stallMargin = 2 * time.Second
	// suspectTime is how long a fault on one link counts together with that on another.
	suspectTime = 2 * time.Minute
)

// stalls ends links whose data stays unacknowledged. Some controllers stop to return
// buffers until they are reset; some peers keep a link up and take no data. Without an
// end, the callers would blame the peer for a packet that was never sent.
//
// The controller is at fault if several links wait for buffers and none got one, or if
// it confirms the only waiting link by a command. Otherwise the peer is. Faults of the
// controller on links to two peers within suspectTime, without an acknowledgment between
// them and with no other link that may work, end the controller: only a reset helps.
type stalls struct {
	c     *core
	timer timer     // runs while data is in flight, unless credits alone are missing
	acked time.Time // of any link, lately
	// suspected is when the controller was last at fault, on a link to suspect, if it has
	// returned no buffer since.
	suspected time.Time
	suspect   hci.Addr
}

func (s *stalls) init(c *core) {
	s.c = c
	s.timer.f = s.checkLinks
}

// noteSent records that the first packet of l is in flight, or the first one since the
// timer rests.
func (s *stalls) noteSent(l *Link) {
	l.unacked = s.c.now
	s.startTimer()
}

func (s *stalls) startTimer() {
	if s.timer.index == 0 {
		s.c.timers.setTimer(&s.timer, s.c.now.Add(minStall))
	}
}

// noteKept gives l a whole limit again: the controller has refused to end it.
func (s *stalls) noteKept(l *Link) {
	if l.judged = false; l.inflight > 0 {
		s.noteSent(l)
	}
}

// noteAcked records that packets of l were acknowledged.
func (s *stalls) noteAcked(l *Link) {
	l.unacked, s.acked, s.suspected = s.c.now, s.c.now, time.Time{}
}

// dueTime returns the time at which l is stalled if nothing is acknowledged until then.
func (s *stalls) dueTime(l *Link) time.Time {
	return l.unacked.Add(max(minStall, l.State().Params.Timeout+stallMargin))
}

// checkLinks judges the links whose time is up.
func (s *stalls) checkLinks(now time.Time) {
	var next time.Time
	for _, l := range s.c.up.listLinks() {
		if l.inflight == 0 || l.local || l.judged {
			continue
		}
		// An answer of the peer shows that the packets have left the controller: the
		// credits alone are lost, and the link works while there are others. Its next
		// packet starts the timer again.
		if l.queue.Len() == 0 && l.heardAt.After(l.unacked) {
			continue
		}
		switch due := s.dueTime(l); {
		case !due.After(now):
			l.judged = true
			s.judgeLink(l)
		case next.IsZero() || due.Before(next):
			next = due
		}
	}
	if s.c.err == nil {
		s.c.timers.setTimer(&s.timer, next)
	}
}

// judgeLink ends a stalled link by the fault of the peer or of the controller.
func (s *stalls) judgeLink(l *Link) {
	switch {
	case s.acked.After(l.unacked): // on another link
		s.endStalled(l, ErrUnacknowledged)
	case s.othersWait(l):
		s.endStalled(l, ErrNoDataCredit)
	default:
		since := l.unacked
		l.askPresence(nil, func(err error) {
			l.judged = false
			switch {
			case l.c.links[l.handle] != l:
			case l.unacked != since || l.inflight == 0 || l.local: // the data moves again, or the link is ending
				s.noteSent(l)
			case err == nil:
				s.endStalled(l, ErrNoDataCredit)
			case statusOf(err) == hci.StatusUnknownConnection:
				l.loseLink()
			default:
				s.endStalled(l, ErrUnacknowledged)
			}
		})
	}
}

// othersWait reports whether data of another link has been in flight for half of
// minStall.
func (s *stalls) othersWait(l *Link) bool {
	for _, o := range s.c.up.listLinks() {
		if o != l && !o.local && o.inflight > 0 && s.c.now.Sub(o.unacked) >= minStall/2 {
			return true
		}
	}
	return false
}

// anyIdle reports whether a link beside l has no data in flight. It may work, and is not
// given up for the others: its next data will tell.
func (s *stalls) anyIdle(l *Link) bool {
	for _, o := range s.c.up.listLinks() {
		if o != l && !o.local && o.inflight == 0 {
			return true
		}
	}
	return false
}

// endStalled ends a stalled link, or the controller.
func (s *stalls) endStalled(l *Link, cause error) {
	s.c.stats.StalledLinks++
	s.c.log.Log(s.c.ctx, LevelLink, "data is not acknowledged", "handle", l.handle, "peer", l.peer, "error", cause)
	if errors.Is(cause, ErrNoDataCredit) {
		if s.suspect != l.peer && s.c.now.Sub(s.suspected) < suspectTime && !s.anyIdle(l) {
			s.c.failController(&Error{"data on several links", cause})
			return
		}
		s.suspected, s.suspect = s.c.now, l.peer
	}
	l.StartDisconnect(hci.StatusRemoteUserTerminated, cause)
}
