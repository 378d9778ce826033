package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ring"
)

// owner is the node of an endpoint: a controller or a raw peer. Its methods must
// run on the air's goroutine.
type owner interface {
	// linkUp reports the link to the host.
	linkUp(e *endpoint)
	// linkEstablished is called when the endpoint receives the first packet.
	linkEstablished(e *endpoint)
	// receiveData takes the payload of one link layer data packet, and must not keep
	// it. It reports false if it has no room; the packet is then sent again.
	receiveData(e *endpoint, start bool, data []byte) bool
	// dataSent returns a packet that the peer has acknowledged.
	dataSent(e *endpoint, p txPacket)
	// eventClosed is called at the end of a connection event.
	eventClosed(e *endpoint)
	// reportEvent reports the outcome of a control procedure.
	reportEvent(e *endpoint, ev hci.Event)
	// requestKey asks for the key when the peer starts encryption. The owner answers
	// by e.replyKey.
	requestKey(e *endpoint, rand [8]byte, ediv uint16)
	// requestParams asks whether to grant the peer's request for parameters. The
	// owner answers by e.replyParams.
	requestParams(e *endpoint, p linkParams)
	// linkEnded reports the end of the link. It is the last call.
	linkEnded(e *endpoint, reason hci.Status)
	// abilities returns the abilities of the node's link layer.
	abilities() *abilities
}

// abilities are the properties of a node's link layer.
type abilities struct {
	features     hci.Features
	version      uint8
	company      uint16
	subversion   uint16
	maxTx, maxRx int           // octets, 27 to 251
	defaultTx    int           // octets asked for on new links; 27: not asked
	defaultTime  time.Duration // and their time
	preferTx     hci.PHYs      // accepted in PHY procedures
	preferRx     hci.PHYs
	mute         bool // does not answer control PDUs
}

// linkParams are the parameters of a link, in real units.
type linkParams struct {
	min, max time.Duration // interval; equal once in use
	latency  int
	timeout  time.Duration
}

// txPacket is an ACL packet on its way out.
type txPacket struct {
	buf   []byte
	start bool
	raw   []byte // the owner's, of which buf is a part
	extra bool   // sent by the temper; not reported to the owner
}

// flight is the link layer packet that an endpoint sends, until it is
// acknowledged.
type flight struct {
	kind      flightKind
	n         int  // payload octets
	delivered bool // the peer has accepted it, the acknowledgment is pending
	ctl       control
}

type flightKind uint8

const (
	flightNone flightKind = iota
	flightData
	flightControl
)

// endpoint is one side of a link.
type endpoint struct {
	link   *link
	role   hci.Role
	radio  *radio
	owner  owner
	aux    any // the owner's
	handle hci.Handle
	own    hci.Addr // as on the air
	peer   hci.Addr

	data    ring.Ring[txPacket]
	off     int // octets of the first packet that have been acknowledged
	ctl     ring.Ring[control]
	fly     flight
	paused  bool // data waits for encryption to start
	secured bool // packets are encrypted

	lastRx      instant
	up          bool // has received a packet
	dead        bool // the end of the link has been reported
	gone        bool // has stopped sending
	supervision timer

	lengths lengths
	phy     hci.PHY  // for sending
	manners *manners // nil: well behaved
	proc    procedures
}

// link joins two endpoints. anchor(n) is the time of the connection event with the
// counter n: base + (n - baseCount)·interval.
//
// A link is simulated event by event only while it has traffic, or while loss may
// end it; otherwise it has no timer.
type link struct {
	air  *Air
	id   uint64
	pos  int // place in air.links
	c, p endpoint

	interval  time.Duration
	latency   int
	timeout   time.Duration
	made      instant
	base      instant
	baseCount int64

	event    timer
	next     int64 // counter of the event that is planned
	count    int64 // counter of the last event that was begun or missed
	heard    int64 // counter of the last event that the peripheral received
	synced   bool  // the peripheral received the last event it listened to
	inEvent  bool
	lost     int     // events in a row that were lost to one that began within a packet
	exStart  instant // of the exchange under way
	exEnd    instant
	exHeard  bool  // the peripheral receives the central's packet in it
	service  int64 // nanoseconds of radio so far; the smallest goes first
	active   bool
	watch    bool // event by event, since loss may end the link
	hopeless bool // no packet can arrive
	apart    bool // the two sides follow different times

	limit   linkLimit
	changes ring.Ring[change]
	instant timer
	chanMap [5]byte
}

// newLink makes the link of a CONNECT_IND that ends at the time made.
func (a *Air) newLink(made instant, p linkParams) *link {
	a.linkCount++
	l := &link{
		air: a, id: a.linkCount, pos: len(a.links), made: made,
		interval: p.max, latency: p.latency, timeout: p.timeout,
		base: made.plus(windowDelay), count: -1, synced: true,
		chanMap: [5]byte{0xff, 0xff, 0xff, 0xff, 0x1f},
	}
	l.event.fire = l.onEvent
	l.instant.fire = l.onInstant
	a.links = append(a.links, l)
	return l
}

// attach makes one endpoint. Both must be attached before beginLink.
func (l *link) attach(role hci.Role, r *radio, o owner, own, peer hci.Addr) *endpoint {
	e := l.endpointOf(role)
	*e = endpoint{link: l, role: role, radio: r, owner: o, own: own, peer: peer, phy: hci.PHY1M}
	e.lengths = startLengths
	e.supervision.fire = e.superviseNow
	e.proc.expiry.fire = e.procedureTimeout
	r.links++
	return e
}

func (l *link) endpointOf(role hci.Role) *endpoint {
	if role == central {
		return &l.c
	}
	return &l.p
}

func (e *endpoint) other() *endpoint {
	if e.role == central {
		return &e.link.p
	}
	return &e.link.c
}

// absent stands in for a peripheral that has not heard the CONNECT_IND.
func (l *link) absent(r *radio) {
	l.p = endpoint{link: l, role: peripheral, radio: r, phy: hci.PHY1M, lengths: startLengths, gone: true, dead: true}
}

// schedule arms the timer for the beginning of the link. Both endpoints must be
// attached.
func (l *link) schedule() {
	l.base = l.base.plus(l.windowOffset())
	l.instant.fire = l.beginLink
	l.air.arm(&l.instant, l.made)
}

// windowOffset is transmitWindowOffset as centrals choose it (Vol 6, Part B,
// 4.5.3): the first anchor goes into the middle of the widest gap between those
// of the central's other links. Links with random offsets would cover each other's
// anchors for good.
func (l *link) windowOffset() time.Duration {
	var anchors []time.Duration
	for _, m := range l.air.links {
		if m != l && m.c.radio == l.c.radio && !m.c.dead {
			after := m.base.since(l.base) % l.interval
			anchors = append(anchors, (after+l.interval)%l.interval)
		}
	}
	if len(anchors) == 0 {
		return 0
	}
	slices.Sort(anchors)
	last := anchors[len(anchors)-1] - l.interval
	from, widest := last, time.Duration(0)
	for _, at := range anchors {
		if gap := at - last; gap > widest {
			from, widest = last, gap
		}
		last = at
	}
	return (from + widest/2 + l.interval) % l.interval
}

func (l *link) beginLink() {
	l.instant.fire = l.onInstant
	for _, e := range []*endpoint{&l.c, &l.p} {
		if !e.dead {
			e.giveManners()
			l.air.logEnd(e, LogLinkUp, nil, 0)
			e.owner.linkUp(e)
		}
	}
	for _, e := range []*endpoint{&l.c, &l.p} {
		e.lastRx = l.made
		if !e.gone {
			l.air.arm(&e.supervision, l.base.plus(establishEvents*l.interval-windowDelay))
		}
	}
	l.reassess()
	if m := l.p.manners; m != nil {
		m.startLink()
	}
}

func (l *link) anchor(n int64) instant {
	return l.base + instant(n-l.baseCount)*instant(l.interval)
}

// counterAt returns the counter of the first event at or after t.
func (l *link) counterAt(t instant) int64 {
	if t <= l.base {
		return l.baseCount
	}
	iv := instant(l.interval)
	return l.baseCount + int64((t-l.base+iv-1)/iv)
}

// queueData queues a packet of the owner.
func (e *endpoint) queueData(p txPacket) {
	e.data.Push(p)
	if m := e.manners; m != nil && m.twice != 0 && !p.extra {
		m.copyAnswer(&p)
	}
	e.link.planEvent()
}

func (e *endpoint) sendControl(c control) {
	e.ctl.Push(c)
	e.link.planEvent()
}

// hasTraffic reports whether the endpoint has a packet to send.
func (e *endpoint) hasTraffic() bool {
	return !e.gone && (e.fly.kind != flightNone || e.ctl.Len() > 0 || !e.paused && e.data.Len() > 0)
}

// reassess applies a change of the radio paths between the two endpoints.
func (l *link) reassess() {
	out := l.air.lossBetween(l.c.radio, l.p.radio)
	back := l.air.lossBetween(l.p.radio, l.c.radio)
	wasSure := !l.watch && !l.hopeless
	l.hopeless = out >= 1 || l.c.gone || l.p.gone || l.apart
	fail := 1 - (1-out)*(1-back)
	l.watch = l.hopeless || fail > 0 && !negligible(fail, l.timeout, l.interval*time.Duration(l.latency+1))
	for _, e := range []*endpoint{&l.c, &l.p} {
		switch {
		case e.dead || !e.up:
		case l.watch:
			if wasSure {
				e.lastRx = max(e.lastRx, l.lastListened())
			}
			if !e.supervision.armed() {
				l.air.arm(&e.supervision, e.lastRx.plus(l.timeout))
			}
		default:
			l.air.disarm(&e.supervision)
		}
	}
	l.planEvent()
}

// negligible reports whether the link's supervision timeout by loss is too
// improbable to occur in any run.
func negligible(fail float64, timeout, interval time.Duration) bool {
	p := 1.0
	for n := timeout / interval; n > 0; n-- {
		if p *= fail; p < 1e-12 {
			return true
		}
	}
	return false
}

// lastListened is the time of the last event so far that both sides took part
// in, on a link on which nothing has been lost.
func (l *link) lastListened() instant {
	n := l.counterAt(l.air.now+1) - 1
	if n < l.heard {
		return l.anchor(l.heard)
	}
	step := int64(l.latency) + 1
	return max(l.made, l.anchor(l.heard+(n-l.heard)/step*step))
}

func (e *endpoint) superviseNow() {
	l := e.link
	reason, due := hci.StatusConnectionTimeout, e.lastRx.plus(l.timeout)
	if !e.up {
		reason, due = hci.StatusFailedToEstablish, l.air.now
	}
	if due > l.air.now {
		l.air.arm(&e.supervision, due)
		return
	}
	e.dropLink(reason)
}

// dropLink ends the link on this side without a packet.
func (e *endpoint) dropLink(reason hci.Status) {
	e.gone = true
	e.reportEnd(reason)
	e.link.reassess()
}

// reportEnd reports the end of the link to the owner. The endpoint may still
// acknowledge the packet that ended the link.
func (e *endpoint) reportEnd(reason hci.Status) {
	l := e.link
	if !e.dead {
		e.dead = true
		l.air.disarm(&e.supervision)
		l.air.disarm(&e.proc.expiry)
		e.radio.links--
		l.air.logEnd(e, LogLinkDown, nil, reason)
		e.owner.linkEnded(e, reason)
		e.fly, e.off, e.data, e.ctl = flight{}, 0, ring.Ring[txPacket]{}, ring.Ring[control]{}
	}
	if l.c.dead && l.p.dead {
		l.removeLink()
	}
}

// removeLink takes a link off the air.
func (l *link) removeLink() {
	a := l.air
	a.disarm(&l.event)
	a.disarm(&l.instant)
	l.c.gone, l.p.gone = true, true
	l.setActive(false)
	if l.pos < 0 {
		return
	}
	last := a.links[len(a.links)-1]
	a.links[l.pos], last.pos = last, l.pos
	a.links[len(a.links)-1] = nil
	a.links = a.links[:len(a.links)-1]
	l.pos = -1
}
