package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

const (
	// eventGuard is how long before a connection event its packets have to be in the
	// controller, at least.
	eventGuard = 100 * time.Microsecond
	// eventSlack is the error of a prediction from which on it is given up.
	eventSlack = 2 * time.Millisecond
	// emptyEvent is more than an event takes that has no data.
	emptyEvent = 500 * time.Microsecond
	// minTurn is the least turn of a central's link, if each change of the link costs the
	// air a part of a packet.
	minTurn = 30 * time.Millisecond
)

// turn is the time in which one link gets the buffers. It begins with a connection event of
// the link. Its times are those of the airClock.
//
// A central ends the turn of a link at the event of another one, so that the air is hardly
// ever idle. A peripheral cannot: the acknowledgment of the last packet of an event comes in
// the next event of the link. Until then its buffer is in use, and that event ends the event
// of another link that is on by then. So the turn of a peripheral's link lasts for whole
// intervals, and the next link gets buffers for the time after the event that brings the
// acknowledgment:
//
//	events     A               A               A     B               B …
//	packets    A A A A A A A A A A A A A A A A       B B B B B B B B B B …
//
// A turn that is over goes on if no other link is due: see pickLink. A link whose interval is
// long beside that of others has a turn of one short interval.
type turn struct {
	link  *Link         // nil if none
	until time.Duration // so long, the link comes before all others
	// from and ahead give the time at which the air is done with all packets in the
	// controller: from then on, it has that many packets of the turn to carry.
	from  time.Duration
	ahead int
}

// begin gives l the turn in its event at start. n links have packets to send.
func (t *turn) begin(l *Link, start, shortest time.Duration, n int) {
	l.noteLength(l.queueLength())
	length := l.interval()
	switch {
	case l.isSlow(shortest):
		length = shortest
	case l.role == hci.RoleCentral:
		if length /= 2; time.Duration(n)*l.times.exchange < l.interval() {
			length = max(length, minTurn)
		}
	}
	*t = turn{link: l, until: start + length, from: start, ahead: 1}
}

// extend adds a packet at end to a turn that is over, and another interval to the turn.
func (t *turn) extend(end time.Duration) {
	t.from, t.ahead = end, 1
	if t.link.role == hci.RolePeripheral {
		t.until += t.link.interval()
	}
}

// noteFreed records that the controller has freed buffers of the link.
func (t *turn) noteFreed(now time.Duration) {
	t.from, t.ahead = now, t.link.unsent()
	if t.link.times.tail && t.ahead > 0 {
		t.ahead++ // one is on the air
	}
}

// isOn reports whether the link has packets to send, and sends them in time.
func (t *turn) isOn(now time.Duration) bool {
	return t.link != nil && t.link.unsent() > 0 && now <= t.endTime()+eventSlack
}

// lasts reports whether a packet at end belongs to the turn.
func (t *turn) lasts(end time.Duration) bool {
	if l := t.link; l.role == hci.RolePeripheral {
		// An event ends when the rest of its interval is too short for a packet.
		end += l.times.exchange + l.interval()%l.times.exchange
	}
	return end < t.until
}

// endTime predicts when the air is done with all packets in the controller.
func (t *turn) endTime() time.Duration {
	if t.link == nil {
		return t.from
	}
	return t.from + time.Duration(t.ahead)*t.link.times.exchange
}

// stuckTime is when the turn has missed two events.
func (t *turn) stuckTime() time.Duration {
	if t.link == nil {
		return t.from
	}
	return t.endTime() + 2*t.link.interval()
}

// turnTime returns the earliest event for a new turn of l, if the air is busy until end.
func (c *core) turnTime(l *Link, end, shortest time.Duration) time.Duration {
	t := &c.shares.turn
	end += eventGuard
	if on := t.link; on != nil && on != l && on.times.tail && on.unsent() > 0 && !on.isSlow(shortest) {
		end = max(end, t.until+emptyEvent) // the acknowledgment has come
	}
	if l.role == hci.RoleCentral {
		return l.nextEvent(end)
	}
	if l.inflight == 0 && c.shares.busy >= c.data.total/2 && !l.share.fresh {
		end = c.nextOf(end) + emptyEvent // too few buffers are left until then
	}
	// An event of another link with packets in the controller may come first.
	at := l.nextEvent(end)
	for _, o := range c.links {
		if o == l || o == t.link || o.inflight == 0 {
			continue
		}
		first := o.nextEvent(end)
		last := first + max(emptyEvent, time.Duration(o.unsent())*o.times.exchange)
		if first <= at && last > at {
			at = l.nextEvent(last)
		}
	}
	return at
}

// nextOf predicts the first event from t on of the links with packets in the controller.
func (c *core) nextOf(t time.Duration) (first time.Duration) {
	for _, l := range c.links {
		if at := l.nextEvent(t); l.inflight > 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// isSlow reports whether the interval of l is long beside the shortest one.
func (l *Link) isSlow(shortest time.Duration) bool { return l.interval() > 2*shortest }

// queueLength returns the octets of the first packet that waits.
func (l *Link) queueLength() int { return len(*l.queue.At(0)) - hci.ACLHeaderLen }
