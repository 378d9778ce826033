package sim

import (
	"math"
	"slices"
	"time"
)

// A connection event, as simulated here (Vol 6, Part B, 4.5.1):
//
//	anchor            exStart                         exEnd
//	  |  central's packet | IFS | peripheral's packet | IFS |  next exchange …
//
// It continues while either side has more data and the next exchange ends before
// the link's next anchor. It ends when a packet is lost. Both radios are busy
// until exEnd.

// planEvent arms the timer for the next event with traffic, if there is any.
func (l *link) planEvent() {
	if l.inEvent || l.pos < 0 {
		return
	}
	peripheralWants := l.p.hasTraffic() || l.p.fly.delivered
	useful := l.c.hasTraffic() || peripheralWants || l.watch || l.isNew() ||
		l.c.dead && !l.c.gone
	if l.hopeless || !useful {
		l.air.disarm(&l.event)
		l.setActive(false)
		return
	}
	n := max(l.count+1, l.counterAt(l.air.now))
	if step := int64(l.latency) + 1; step > 1 && l.synced && l.p.up && !peripheralWants {
		n = l.heard + (n-l.heard+step-1)/step*step
	}
	l.next = n
	l.setActive(true)
	l.air.arm(&l.event, l.anchor(n))
}

// onEvent is the link's timer: the start of an event, or the end of an
// exchange.
func (l *link) onEvent() {
	if l.inEvent {
		l.finishExchange()
		return
	}
	if l.instant.armed() && l.instant.at <= l.air.now {
		l.air.disarm(&l.instant)
		l.onInstant()
		return // onInstant has planned the next event
	}
	l.count = l.next
	now := l.air.now
	busy := l.c.radio.busy > now || l.p.radio.busy > now
	if !busy && l.startExchange(now) {
		return
	}
	if !busy || l.c.radio.begun > now || l.p.radio.begun > now {
		l.lost++
	}
	l.planEvent()
}

// startExchange starts an exchange of packets at the time start. It reports false
// if the radio time belongs to another link.
func (l *link) startExchange(start instant) bool {
	c, p := &l.c, &l.p
	c.loadFlight()
	if !p.fly.delivered {
		p.loadFlight()
	}
	span := c.flightTime() + p.flightTime() + 2*interFrameSpace
	if l.mustYield(start.plus(span)) {
		return false
	}
	first := !l.inEvent
	l.inEvent, l.lost = true, 0
	l.exHeard = !p.gone && !l.apart && l.air.arrives(c.radio, p.radio)
	c.radio.onAir.Sent++
	if l.exHeard {
		p.radio.onAir.Received++
		p.notePacket(start)
		l.heard, l.synced = l.count, true
		if p.fly.delivered { // the central acknowledges the packet of the last exchange
			p.acknowledged()
			if p.gone { // the packet was LL_TERMINATE_IND
				l.inEvent = false
				return false
			}
			p.loadFlight()
		}
		span = c.flightTime() + p.flightTime() + 2*interFrameSpace
	} else {
		l.synced = false
		span = c.flightTime() + 2*interFrameSpace
	}
	l.exStart, l.exEnd = start, start.plus(span)
	c.radio.busy, p.radio.busy = l.exEnd, l.exEnd
	if first {
		c.radio.begun, p.radio.begun = l.exEnd, l.exEnd
	}
	c.radio.onAir.OnAir += span
	p.radio.onAir.OnAir += span
	l.service += int64(span)
	l.air.arm(&l.event, l.exEnd.plus(-interFrameSpace))
	return true
}

// finishExchange ends an exchange: packets are delivered and acknowledged, and
// the event continues or closes.
func (l *link) finishExchange() {
	c, p := &l.c, &l.p
	if !l.exHeard {
		l.closeConnEvent()
		return
	}
	refused := !c.deliverTo(p)
	answered := !c.gone && !l.apart && l.air.arrives(p.radio, c.radio)
	p.radio.onAir.Sent++
	if c.dead { // it only had to acknowledge
		c.gone = true
	}
	if answered && !c.gone {
		c.radio.onAir.Received++
		c.notePacket(l.exStart)
		refused = !p.deliverTo(c) || refused
		if c.fly.delivered {
			c.acknowledged()
		}
	}
	if p.dead {
		p.gone = true
	}
	if c.dead && p.dead {
		l.removeLink()
		return
	}
	more := answered && !refused && !c.gone && !p.gone && (c.hasTraffic() || p.hasTraffic() && !p.fly.delivered || p.fly.delivered && p.more())
	if more && l.exEnd.plus(l.minSpan()) <= l.anchor(l.count+1) && l.startExchange(l.exEnd) {
		return
	}
	l.closeConnEvent()
}

// closeConnEvent ends a connection event.
func (l *link) closeConnEvent() {
	l.inEvent = false
	if !l.c.dead {
		l.c.owner.eventClosed(&l.c)
	}
	if !l.p.dead {
		l.p.owner.eventClosed(&l.p)
	}
	if l.c.gone != l.p.gone {
		l.reassess()
		return
	}
	l.planEvent()
}

// minSpan is the duration of the next exchange.
func (l *link) minSpan() time.Duration {
	l.c.loadFlight()
	answer := 0
	if l.p.fly.delivered {
		answer = l.p.nextLen()
	} else {
		l.p.loadFlight()
		answer = l.p.fly.n
	}
	return l.c.flightTime() + l.p.phy.Airtime(l.p.payload(answer)) + 2*interFrameSpace
}

// loadFlight puts the next packet in flight, if none is.
func (e *endpoint) loadFlight() {
	if e.fly.kind != flightNone {
		return
	}
	switch {
	case e.dead:
	case e.ctl.Len() > 0:
		e.fly = flight{kind: flightControl, ctl: e.ctl.Pop()}
		e.fly.n = e.fly.ctl.size()
	case !e.paused && e.data.Len() > 0:
		e.fly = flight{kind: flightData, n: e.nextData(e.off)}
	}
}

// nextData is the length of the data packet that starts at an offset into
// the first host packet.
func (e *endpoint) nextData(off int) int {
	return min(len(e.data.At(0).buf)-off, e.maxPayload())
}

// more reports whether packets are queued behind the packet in flight.
func (e *endpoint) more() bool {
	if e.ctl.Len() > 0 {
		return true
	}
	if e.paused || e.fly.kind != flightData {
		return !e.paused && e.data.Len() > 0
	}
	return e.data.Len() > 1 || e.off+e.fly.n < len(e.data.At(0).buf)
}

// nextLen is the length of the payload that follows the packet in flight.
func (e *endpoint) nextLen() int {
	switch {
	case e.ctl.Len() > 0:
		return e.ctl.At(0).size()
	case e.paused || !e.more():
		return 0
	case e.fly.kind != flightData:
		return e.nextData(e.off)
	case e.off+e.fly.n < len(e.data.At(0).buf):
		return e.nextData(e.off + e.fly.n)
	}
	return min(len(e.data.At(1).buf), e.maxPayload())
}

// maxPayload is the greatest payload of a data packet of this endpoint in octets.
func (e *endpoint) maxPayload() int {
	return min(e.lengths.tx, fitting(e.phy, e.lengths.txTime, e.secured))
}

// payload adds the MIC to the length of an encrypted packet.
func (e *endpoint) payload(n int) int {
	if n > 0 && e.secured {
		return n + micLen
	}
	return n
}

func (e *endpoint) flightTime() time.Duration { return e.phy.Airtime(e.payload(e.fly.n)) }

// notePacket records the reception of a packet of the other side.
func (e *endpoint) notePacket(at instant) {
	e.lastRx = at
	if e.up || e.dead {
		return
	}
	e.up = true
	if e.link.watch {
		e.link.air.arm(&e.supervision, e.lastRx.plus(e.link.timeout))
	} else {
		e.link.air.disarm(&e.supervision)
	}
	e.owner.linkEstablished(e)
}

// deliverTo delivers the packet in flight to the other endpoint, unless it was
// delivered already. It reports false if the other endpoint has no room for it.
func (e *endpoint) deliverTo(to *endpoint) bool {
	if e.fly.kind == flightNone || e.fly.delivered || to.dead {
		return true
	}
	if e.fly.kind == flightControl {
		e.fly.delivered = true
		to.receiveControl(&e.fly.ctl)
		return true
	}
	if e.dies() {
		return true
	}
	p := e.data.At(0)
	b := p.buf[e.off : e.off+e.fly.n]
	if e.fly.delivered = to.receiveData(p.start && e.off == 0, b); !e.fly.delivered {
		return false
	}
	e.link.air.logEnd(to, LogData, b, 0)
	return true
}

// receiveData delivers data to the owner, through the temper if there is one.
func (e *endpoint) receiveData(start bool, data []byte) bool {
	if e.manners != nil {
		return e.manners.receiveData(start, data)
	}
	return e.owner.receiveData(e, start, data)
}

// acknowledged frees the packet in flight.
func (e *endpoint) acknowledged() {
	f := e.fly
	e.fly = flight{}
	if f.kind == flightControl {
		e.controlSent(&f.ctl)
		return
	}
	e.off += f.n
	if e.off >= len(e.data.At(0).buf) {
		e.off = 0
		if p := e.data.Pop(); !p.extra {
			e.owner.dataSent(e, p)
		}
	}
}

// turn is the radio time by which a link may be ahead of another before it must
// yield. Each change wastes the time until the other link's anchor.
const turn = int64(4 * time.Millisecond)

// mostLost is the number of events that a link may lose in a row to those of another one that
// begin within a packet of its own. Then it has its event, and the other one loses.
const mostLost = 2

// mustYield reports whether another link of either radio, with less radio time so
// far, needs the time before until. An event that has not begun gives way to that of a link
// that has lost more events in a row.
func (l *link) mustYield(until instant) bool {
	for _, r := range []*radio{l.c.radio, l.p.radio} {
		for _, m := range r.active {
			if m == l || m.inEvent || !m.event.armed() || m.event.at >= until {
				continue
			}
			if l.yieldsTo(m) {
				return true
			}
		}
	}
	return false
}

// yieldsTo reports whether m has more of a claim to the radio than l.
func (l *link) yieldsTo(m *link) bool {
	switch {
	case m.isNew() != l.isNew():
		return m.isNew()
	case !l.inEvent && m.lost > l.lost+mostLost:
		return true
	case !l.inEvent && l.lost > m.lost+mostLost:
		return false
	}
	return m.service+turn < l.service
}

// isNew reports whether an endpoint has yet to receive its first packet, for which
// it has few events.
func (l *link) isNew() bool { return !l.c.up || !l.p.up }

// setActive adds the link to the lists of links that compete for the two radios,
// or removes it. A link that is added has no claim for the time without traffic,
// except for one turn: a host with few buffers pauses after every packet, and
// would never catch up.
func (l *link) setActive(on bool) {
	if on == l.active {
		return
	}
	l.active = on
	floor := int64(math.MaxInt64)
	for _, r := range []*radio{l.c.radio, l.p.radio} {
		if !on {
			r.active = slices.DeleteFunc(r.active, func(m *link) bool { return m == l })
			continue
		}
		for _, m := range r.active {
			floor = min(floor, m.service)
		}
		r.active = append(r.active, l)
	}
	if on && floor != math.MaxInt64 {
		l.service = max(l.service, floor-turn)
	}
}
