package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// interFrameSpace passes behind each packet on the air (Vol 6, Part B, 4.1).
const interFrameSpace = 150 * time.Microsecond

// minInterval is the shortest connection interval, and minPayload the length that every
// link layer packet may have: controllers report anything.
const (
	minInterval = 7500 * time.Microsecond
	minPayload  = 27
)

// timetable predicts when the packets of one link are on the air: from the times at which
// packets were completed, the connection interval, and the length of packets. Its times are
// those of the airClock.
type timetable struct {
	anchor   time.Duration // of a connection event; 0 if none is known
	acked    time.Duration // when packets were completed last
	exchange time.Duration // of a packet of the last turn and its acknowledgment
	tail     bool          // the last packet of an event is not acknowledged yet; of a peripheral only
	length   packetLength  // that exchange is computed for
}

// packetLength is all that the duration of an exchange depends on.
type packetLength struct {
	octets, most int
	tx, rx       hci.PHY
}

// airClock counts the time for the shares of links, which compute with it several times for
// each packet: as a number, since its origin, and never 0.
type airClock struct {
	origin, set time.Time // set is the time of now
	now         time.Duration
}

// setTime sets the clock to a time.
func (a *airClock) setTime(now time.Time) {
	if a.now != 0 && now.Equal(a.set) {
		return
	}
	if a.now == 0 {
		a.origin = now.Add(-time.Hour)
	}
	a.set, a.now = now, now.Sub(a.origin)
}

// interval returns the connection interval. Must run on the loop.
func (l *Link) interval() time.Duration {
	return max(l.state.Params.Interval, minInterval)
}

// noteLength sets the duration of an exchange for packets of n octets.
func (l *Link) noteLength(n int) {
	s, t := &l.state, time.Duration(0)
	most := max(minPayload, int(s.MaxTX))
	length := packetLength{n, most, s.TX, s.RX}
	if length == l.times.length {
		return
	}
	for first := true; first || n > 0; first = false {
		t += s.TX.Airtime(min(n, most)) + s.RX.Airtime(0) + 2*interFrameSpace
		n -= most
	}
	l.times.exchange, l.times.length = t, length
}

// unsent is the number of packets in the controller that the present event, or the next
// one, has still to carry. A peripheral learns in its next event that the last packet of an
// event has arrived.
func (l *Link) unsent() int {
	if l.times.tail {
		return l.inflight - 1
	}
	return l.inflight
}

// nextEvent predicts the first connection event from t on; t if nothing is known.
func (l *Link) nextEvent(t time.Duration) time.Duration {
	if l.times.anchor == 0 {
		return t
	}
	interval, late := l.interval(), t-l.times.anchor
	if late > 0 {
		late += interval - 1
	}
	return l.times.anchor + late/interval*interval
}

// noteEvent learns from the completion of count packets. alone reports that no other link
// had packets completed at the same time: with another one, the controller may have kept
// the report for a while.
func (t *timetable) noteEvent(l *Link, now time.Duration, count int, alone bool) {
	// After a pause these packets are the first of an event.
	pause := time.Duration(count+1)*t.exchange + time.Millisecond
	if now-t.acked > pause && (alone || t.anchor == 0) {
		t.anchor = now - t.eventTime(l, count)
	}
	t.acked = now
	t.tail = l.role == hci.RolePeripheral && l.inflight > 0
}

// eventTime is how long an event of l has taken in which count packets were acknowledged.
func (t *timetable) eventTime(l *Link, count int) time.Duration {
	if l.role == hci.RoleCentral {
		return time.Duration(count) * t.exchange
	}
	if l.inflight == 0 { // the only one was acknowledged at the start
		return emptyEvent / 2
	}
	if t.tail { // the first one was acknowledged at the start
		count--
	}
	if l.inflight == 1 { // the event has ended with a packet that is not acknowledged
		count++
	}
	return time.Duration(count) * t.exchange
}
