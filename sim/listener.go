package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// listener is a node that listens on the advertising channels: it scans or
// initiates. In each interval it listens for window on one channel, 37, 38 and
// 39 in turn (Vol 6, Part B, 4.4.3).
type listener struct {
	node       *radio
	hears      func(v *advertiser)
	initiating bool
	since      instant
	interval   time.Duration
	window     time.Duration
	phys       hci.PHYs // primary
	on         bool
}

// listen starts l.
func (a *Air) listen(l *listener) {
	l.on, l.since = true, a.now
	a.listeners = append(a.listeners, l)
	l.node.countListening()
	for _, v := range a.advertisers {
		v.unpark()
	}
}

// deafen stops l.
func (a *Air) deafen(l *listener) {
	if !l.on {
		return
	}
	l.on = false
	a.listeners = slices.DeleteFunc(a.listeners, func(m *listener) bool { return m == l })
	l.node.countListening()
}

// tuned reports whether l listens to the channel, 0 to 2, for all of a packet.
func (l *listener) tuned(channel int, start instant, long time.Duration) bool {
	if start < l.since {
		return false
	}
	turn, phase := start.since(l.since)/l.interval, start.since(l.since)%l.interval
	return int(turn%3) == channel && (l.window == l.interval || phase+long <= l.window)
}

// listening is the time for which the receiver of a radio is on. A radio that scans
// and initiates at once has one receiver: the listener with the greatest share of
// window to interval decides.
type listening struct {
	total time.Duration // until since
	since instant
	share float64 // from then on
}

// listened is the time for which the receiver was on until now.
func (l *listening) listened(now instant) time.Duration {
	return l.total + time.Duration(float64(now-l.since)*l.share)
}

// countListening notes that the listeners of a radio have changed.
func (r *radio) countListening() {
	now := r.air.now
	r.listening = listening{total: r.listening.listened(now), since: now}
	for _, l := range r.air.listeners {
		if l.node == r {
			r.listening.share = max(r.listening.share, float64(l.window)/float64(l.interval))
		}
	}
}
