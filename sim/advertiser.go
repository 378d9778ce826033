package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// channelStep is the time between the starts of an advertising event's
// packets on two channels, beyond the packet itself: it leaves room for a
// request and its answer.
const channelStep = 400 * time.Microsecond

// highDutyTime is the duration of high duty cycle directed advertising
// (Vol 6, Part B, 4.4.2.4.3).
const highDutyTime = 1280 * time.Millisecond

// advertisement holds the parameters and the data of an advertiser.
type advertisement struct {
	own         hci.Addr // as on the air
	peer        hci.Addr // of directed advertising, as on the air
	connectable bool
	scannable   bool
	directed    bool
	highDuty    bool
	legacy      bool
	anonymous   bool
	data        []byte
	response    []byte
	sid         uint8
	primary     hci.PHY
	secondary   hci.PHY
	txPower     int8
	interval    time.Duration
	channels    uint8 // bits 0 to 2
	maxEvents   int   // 0: no limit
	duration    time.Duration
}

// legacyType is the event type of an advertising report.
func (v *advertisement) legacyType() hci.AdvType {
	switch {
	case v.directed:
		return hci.AdvDirectInd
	case v.connectable:
		return hci.AdvInd
	case v.scannable:
		return hci.AdvScanInd
	}
	return hci.AdvNonconnInd
}

// advOwner is the part of a node that an advertiser reports to.
type advOwner interface {
	// refreshAddress is called before each advertising event, to change addresses.
	refreshAddress(v *advertiser)
	// allowsScan and allowsConnect are the advertising filter policy, and
	// whether there is room for a link.
	allowsScan(v *advertiser, from hci.Addr) bool
	allowsConnect(v *advertiser, from hci.Addr) bool
	// scanRequested reports a scan request.
	scanRequested(v *advertiser, from hci.Addr)
	// acceptLink stops the advertiser, since a central has connected. It attaches
	// the peripheral's endpoint to the link.
	acceptLink(v *advertiser, l *link, peer hci.Addr)
	// advertisingEnded reports that the advertiser has reached its duration or its
	// number of events.
	advertisingEnded(v *advertiser, st hci.Status)
}

// advertiser is the advertising of a radio. Without listeners it has no timer.
type advertiser struct {
	radio *radio
	owner advOwner
	set   uint8
	advertisement

	asked struct { // before the temper
		connectable bool
		interval    time.Duration
	}
	silent  bool // by the temper
	on      bool
	parked  bool
	next    instant // start of the event under way, or of the next
	channel int     // -1: the event has not begun
	events  int
	timer   timer
	expiry  timer
}

func newAdvertiser(r *radio, o advOwner) *advertiser {
	v := &advertiser{radio: r, owner: o}
	v.timer.fire = v.onTimer
	v.expiry.fire = func() { v.endAdvertising(hci.StatusAdvertisingTimeout) }
	return v
}

func (v *advertiser) startAdvertising(ad advertisement) {
	a := v.radio.air
	v.stopAdvertising()
	v.advertisement = ad
	v.on, v.parked, v.events, v.channel = false, false, 0, -1
	if ad.highDuty {
		v.duration, v.interval = highDutyTime, 3750*time.Microsecond
	}
	if v.duration > 0 {
		a.arm(&v.expiry, a.now.plus(v.duration))
	}
	v.asked.connectable, v.asked.interval = v.connectable, v.interval
	v.obeyTemper()
	v.next = a.now.plus(v.spread())
	v.on = true
	a.advertisers = append(a.advertisers, v)
	v.scheduleEvent()
}

func (v *advertiser) stopAdvertising() {
	if !v.on {
		return
	}
	a := v.radio.air
	v.on = false
	a.disarm(&v.timer)
	a.disarm(&v.expiry)
	a.advertisers = slices.DeleteFunc(a.advertisers, func(w *advertiser) bool { return w == v })
}

func (v *advertiser) endAdvertising(st hci.Status) {
	v.stopAdvertising()
	v.owner.advertisingEnded(v, st)
}

// spread is advDelay, the random part of the time between two events.
func (v *advertiser) spread() time.Duration {
	if v.radio.air.cfg.ExactAdvertising || v.highDuty {
		return 0
	}
	return time.Duration(v.radio.air.rng.Int64N(int64(10 * time.Millisecond)))
}

// scheduleEvent arms the timer for the event at next. Without listeners it parks
// the advertiser instead.
func (v *advertiser) scheduleEvent() {
	v.channel = -1
	if v.parked = v.silent || len(v.radio.air.listeners) == 0 && v.maxEvents == 0; !v.parked {
		v.radio.air.arm(&v.timer, v.next)
	}
}

// unpark counts the events that passed without a listener, and schedules the
// next.
func (v *advertiser) unpark() {
	if !v.parked || v.silent {
		return
	}
	if now := v.radio.air.now; v.next < now {
		mean := v.interval
		if !v.radio.air.cfg.ExactAdvertising {
			mean += 5 * time.Millisecond
		}
		missed := (now.since(v.next) + mean - 1) / mean
		v.next = v.next.plus(missed * mean)
		v.radio.onAir.Advertised += int64(missed)
	}
	v.scheduleEvent()
}

// primaryTime is the time of a packet on an advertising channel.
func (v *advertiser) primaryTime() time.Duration {
	switch {
	case !v.legacy:
		return v.primary.Airtime(10)
	case v.directed:
		return hci.PHY1M.Airtime(12)
	}
	return hci.PHY1M.Airtime(6 + len(v.data))
}

// channelStart is when the packet on a channel begins.
func (v *advertiser) channelStart(channel int) instant {
	n := 0
	for i := range channel {
		n += int(v.channels >> i & 1)
	}
	return v.next.plus(time.Duration(n) * (v.primaryTime() + channelStep))
}

// onTimer begins an event, or ends one of its packets that has a listener.
func (v *advertiser) onTimer() {
	a := v.radio.air
	if v.channel < 0 {
		v.owner.refreshAddress(v)
		v.radio.onAir.Advertised++
	} else {
		v.deliverPacket(v.channel, v.channelStart(v.channel))
		if !v.on {
			return
		}
	}
	for v.channel++; v.channel < 3; v.channel++ {
		if v.channels>>v.channel&1 == 0 {
			continue
		}
		start := v.channelStart(v.channel)
		if slices.ContainsFunc(a.listeners, func(l *listener) bool { return v.reaches(l, v.channel, start) }) {
			a.arm(&v.timer, start.plus(v.primaryTime()))
			return
		}
	}
	if v.events++; v.events == v.maxEvents {
		v.endAdvertising(hci.StatusLimitReached)
		return
	}
	v.next = v.next.plus(v.interval + v.spread())
	v.scheduleEvent()
}

func (v *advertiser) reaches(l *listener, channel int, start instant) bool {
	phy := hci.PHYs1M
	if v.primary == hci.PHYCoded {
		phy = hci.PHYsCoded
	}
	return l.node != v.radio && l.phys.Has(phy) && l.tuned(channel, start, v.primaryTime())
}

// deliverPacket hands the packet that ends now to its listeners. If several
// initiate, chance decides which request survives the collision.
func (v *advertiser) deliverPacket(channel int, start instant) {
	a := v.radio.air
	hears := a.hears[:0]
	for _, l := range a.listeners {
		if v.reaches(l, channel, start) && a.arrives(v.radio, l.node) &&
			(v.legacy || a.arrives(v.radio, l.node)) { // the secondary packet too
			hears = append(hears, l)
		}
	}
	a.hears = hears
	initiators := 0
	for _, l := range hears {
		if l.initiating {
			initiators++
		}
	}
	first := 0
	if initiators > 1 {
		first = a.rng.IntN(len(hears))
	}
	for i := range hears {
		if l := hears[(first+i)%len(hears)]; l.on && v.on {
			l.hears(v)
		}
	}
}
