package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

const (
	// proofTime is how long data or an acknowledgment shows that the peer is there, but
	// proofEvents intervals at least. After that, a link beside others gets one buffer
	// until the peer is heard.
	proofTime   = time.Second
	proofEvents = 32
)

// shares gives the buffers of the controller to the links that share it. Must run on the
// loop.
//
// The packets in the controller are a pipeline to the air. A buffer is of use if its packet
// is there when the connection event of its link begins, or goes on; before that, it is
// missing for another link. So a link gets buffers in turns, and the turns have the order of
// the events on the air:
//
//	air        A A A A A A A A . B B B B B B B B . C C C …
//	buffers              A A A   B B B B B            while A's event is on
//
// The link that has the turn gets buffers until its turn is over. Then pickLink predicts
// when a further packet of each link would be on the air, behind all that the controller
// has, and takes the link that keeps the air idle least. A link that has used the air less
// than others may keep it idle longer. See turn for the length of turns.
//
// No link takes all buffers, so that a silent peer cannot: see isFull. A link whose packets
// are not acknowledged for two intervals gets no more, and one that has not been heard for a
// while gets a single one.
type shares struct {
	clock airClock
	turn  turn
	load  load
	busy  int   // links with packets in the controller
	lent  *Link // has the buffer that is kept
	timer timer // runs while buffers are withheld
}

// share is the part of a link.
type share struct {
	used  time.Duration // air time of the packets passed to the controller, but see pickLink
	fresh bool          // it has become ready, and has had no buffer since
}

// pumpData sends data packets while the controller has buffers.
func (c *core) pumpData() {
	if c.data.free > 0 && len(c.data.ready) > 0 {
		c.shares.clock.setTime(c.now)
	}
	for c.data.free > 0 && len(c.data.ready) > 0 {
		l, retry := c.pickLink()
		if l == nil {
			if l = c.pickBorrower(); l == nil {
				c.retryLater(retry)
				break
			}
			c.shares.lent = l
		}
		c.passPacket(l)
	}
	if len(c.data.ready) > 0 {
		c.stalls.startTimer()
	}
}

// isFull reports whether l must get no more buffers for now. A controller that has reported
// some as free that were not keeps half of them for links without any.
//
// A central keeps one for a link without any. A peripheral gives each of several links half
// of them and two: controllers report completed packets when half of the buffers are free,
// and an event goes on if one more packet is on the air by then, and one behind it.
func (c *core) isFull(l *Link) bool {
	half := c.data.total / 2
	switch {
	case l.inflight == 0:
		return false
	case c.data.doubted && c.data.free <= half:
		return true
	case l.role == hci.RolePeripheral:
		return len(c.links) > 1 && l.inflight >= half+2
	}
	return c.data.free == 1 && c.shares.lent == nil && c.shares.busy < len(c.links)
}

// pickBorrower chooses the link that gets a buffer that no turn needs: one that has just got
// something to send or, if the present turn is stuck, any without a buffer.
func (c *core) pickBorrower() *Link {
	s := &c.shares
	if s.lent != nil {
		return nil
	}
	stuck := s.clock.now > s.turn.stuckTime()
	for _, l := range c.data.ready {
		if l.inflight == 0 && (l.share.fresh || stuck) {
			return l
		}
	}
	return nil
}

// retryLater has pumpData called again at the time retry, if that is not 0, or when the turn is stuck.
func (c *core) retryLater(retry time.Duration) {
	now := c.shares.clock.now
	if at := c.shares.turn.stuckTime() + 1; retry == 0 || at < retry && at > now {
		retry = at
	}
	if retry > now {
		c.timers.setTimer(&c.shares.timer, c.now.Add(retry-now))
	}
}

// isSilent reports whether l must get no more buffers than it has: its packets have not been
// acknowledged for two intervals, or its peer has not been heard for so long that it may be
// away.
func (c *core) isSilent(l *Link) bool {
	return l.inflight > 0 && len(c.links) > 1 &&
		(c.now.Sub(l.unacked) > 2*l.interval() || c.now.Sub(l.heardAt) > max(proofTime, proofEvents*l.interval()))
}

// pickLink chooses the link that gets the next buffer. It returns nil if no link should get
// one now; retry is then when to look again, or 0.
func (c *core) pickLink() (_ *Link, retry time.Duration) {
	t, now := &c.shares.turn, c.shares.clock.now
	end := max(t.endTime(), now)
	on := t.isOn(now)
	if on && t.link.ready && !c.isSilent(t.link) && t.lasts(end) {
		if c.isFull(t.link) {
			return nil, retry
		}
		t.from, t.ahead = end, 1
		return t.link, retry
	}
	best, start, shortest := c.pickNext(end, on)
	switch {
	case best == nil || c.isFull(best):
		return nil, retry
	case start == end:
		t.extend(end)
		return best, retry
	}
	if len(c.data.ready) > 1 {
		if start > end+4*shortest { // the buffer is of more use to the others until then
			return nil, start - 4*shortest
		}
		// Its packets must not be there for an earlier event.
		if next := best.nextEvent(now - eventGuard); start-next > eventSlack {
			return nil, next + eventGuard + 1
		}
	}
	// A turn of few packets would waste its event.
	if l := t.link; l != nil && best.role == hci.RoleCentral && l.unsent() > 0 && c.data.free <= c.data.total/8 && now <= t.stuckTime() {
		return nil, retry
	}
	t.begin(best, start, shortest, len(c.data.ready))
	c.shares.load.noteTurn(start)
	return best, retry
}

// pickNext chooses the link that keeps the air idle least behind end, when its packet would
// be on the air, and returns the shortest interval of the links that have packets. on
// reports that the present turn goes on.
func (c *core) pickNext(end time.Duration, on bool) (best *Link, start, shortest time.Duration) {
	t := &c.shares.turn
	if l := c.data.ready[0]; len(c.data.ready) == 1 {
		switch shortest = l.interval(); {
		case c.isSilent(l):
			return nil, 0, shortest
		case l == t.link && on: // its event goes on
			return l, end, shortest
		}
		return l, c.turnTime(l, end, shortest), shortest
	}
	var most, cost time.Duration
	shortest = c.data.ready[0].interval()
	for _, l := range c.data.ready {
		most, shortest = max(most, l.share.used), min(shortest, l.interval())
	}
	for _, l := range c.data.ready {
		slow := l.isSlow(shortest)
		if c.isSilent(l) || slow && l != t.link && l.unsent() > 0 {
			continue
		}
		// A link cannot save up more air time than others use in some intervals.
		saved := 2 * l.leadCost() * shortest
		if slow {
			saved /= 4
		}
		l.share.used = max(l.share.used, most-saved)
		at := end // its event goes on
		if l != t.link || !on || slow {
			at = c.turnTime(l, end, shortest)
		}
		if d := c.shares.load.cost(at-end) + l.share.used/l.leadCost(); best == nil || d < cost {
			best, cost, start = l, d, at
		}
	}
	return best, start, shortest
}

// passPacket passes the next packet of l to the controller.
func (c *core) passPacket(l *Link) {
	c.sendPacket(l.queue.Pop())
	if l.inflight++; l.inflight == 1 {
		c.shares.busy++
	}
	if l.inflight == 1 || c.stalls.timer.index == 0 {
		c.stalls.noteSent(l)
	}
	c.data.free--
	l.share.used += l.times.exchange
	c.shares.load.sent += l.times.exchange
	l.share.fresh = false
	if l.queue.Len() == 0 {
		l.ready = false
		if i := slices.Index(c.data.ready, l); len(c.data.ready) > 1 {
			c.data.ready = slices.Delete(c.data.ready, i, i+1)
		} else {
			c.data.ready = c.data.ready[:0]
		}
	}
	if l.waiting && l.queue.Len() <= c.roomBound()/2 {
		l.waiting = false
		l.handler.Writable(c.now)
	}
}

// noteFreed records that the controller has freed count buffers of l.
func (c *core) noteFreed(l *Link, count int, alone bool) {
	s := &c.shares
	s.clock.setTime(c.now)
	l.times.noteEvent(l, s.clock.now, count, alone)
	if l.inflight == 0 {
		s.busy--
	}
	if s.lent == l {
		s.lent = nil
	}
	if s.turn.link == l {
		s.turn.noteFreed(s.clock.now)
	}
}

// forgetShare takes back the share of a link that has ended.
func (c *core) forgetShare(l *Link) {
	s := &c.shares
	if l.inflight > 0 {
		s.busy--
	}
	if s.lent == l {
		s.lent = nil
	}
	if s.turn.link == l {
		s.clock.setTime(c.now)
		s.turn = turn{from: s.clock.now}
	}
}

// leadCost weighs fairness against the air: a link that has had an air time of t more than
// another one gives way to it if that leaves the air idle for t/leadCost. A change leaves the
// air of a peripheral idle for longer than that of a central, so a peripheral changes less
// often.
func (l *Link) leadCost() time.Duration {
	if l.role == hci.RolePeripheral {
		return 12
	}
	return 8
}
