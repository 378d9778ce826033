package remote

import (
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// endTime is how long a link may take to end once the proxy was asked to end it.
const endTime = 5 * time.Second

// proxyTimeout is the supervision timeout that the host is told of a new link: the protocol
// tells none, and proxies use several.
const proxyTimeout = 10 * time.Second

// link is a link of the proxy, or the request to make one.
//
//	            request            connected          announced
//	linkAsking ────────▶ linkAsked ─────────▶ linkHeld ────────▶ linkUp
//	    │ abandoned          │ abandoned          │ abandoned       │ the host ends it
//	    ▼                    ▼                    ▼                 ▼
//	  (gone)               linkEnding ◀───────────────────────────────
//
// The proxy's word that the device is not connected ends the link in each state but
// linkAsking: there it is about an earlier link.
type link struct {
	r      *radio
	peer   hci.Addr
	state  linkState
	timer  *time.Timer
	epoch  int  // counts the timers, to recognize a late one
	again  bool // the host dials the device again
	cached bool // the table of the device was known when the link was asked for
	taken  bool // another client had the device then

	handle hci.Handle // from linkUp on, as all below
	params hci.ConnParamsInUse
	asked  *hci.ConnParams // parameters that the proxy was asked for
	server server
}

type linkState uint8

const (
	linkAsking linkState = iota // waits for the kind of the address
	linkAsked                   // the proxy makes it
	linkHeld                    // it is up, and no initiation is running
	linkUp                      // the host has it
	linkEnding                  // the proxy ends it
)

// startLink begins a link to a device of the initiation. If its kind is not known, the
// request waits for a report of the device, for a time.
func (r *radio) startLink(a hci.Addr) {
	l := &link{r: r, peer: a}
	r.links[a.MAC] = l
	delete(r.refusals, a.MAC)
	_, heard := r.scan.heard[a.MAC]
	if len(r.dial.kindsOf(a.MAC)) > 1 && !heard {
		l.setTimer(kindTime, l.request)
		return
	}
	l.request()
}

// chooseKind chooses the kind of the address, if the initiation names both: that of the
// reports, or else that of which the address has the form.
func (l *link) chooseKind() {
	if len(l.r.dial.kindsOf(l.peer.MAC)) < 2 {
		return
	}
	const static = 0xC0 // the two most significant bits of a static random address
	l.peer.Kind = hci.AddrPublic
	if h, ok := l.r.scan.heard[l.peer.MAC]; ok {
		l.peer = hci.Addr{MAC: l.peer.MAC, Kind: h.kind}.Identity()
	} else if l.peer.MAC[5]&static == static {
		l.peer.Kind = hci.AddrRandom
	}
}

// request asks the proxy for the link: with its cache if the table of the device is known
// here.
func (l *link) request() {
	l.chooseKind()
	l.stopTimer()
	l.state = linkAsked
	l.taken = l.r.slots.isAllocated(l.peer.MAC)
	how := esphome.ConnectWithoutCache
	if l.cached = l.r.tables.get(l.peer.MAC) != nil; l.cached {
		how = esphome.ConnectWithCache
	}
	l.r.send(&esphome.DeviceRequest{Address: esphome.AddressOf(l.peer.MAC), Type: how, HasKind: true, Kind: esphome.AddressKind(l.peer.Kind)})
	if !l.r.dial.isWanted(l.peer.MAC) {
		l.setTimer(patience, l.abandon)
	}
}

// takeConnection takes the news of a link.
func (r *radio) takeConnection(m *esphome.DeviceConnection) {
	mac, ok := m.Address.Octets()
	l := r.links[mac]
	switch {
	case !ok || l == nil && !m.Connected:
	case !m.Connected && l.state == linkAsking: // the proxy was asked for nothing yet
	case l == nil: // of a request that was given up
		r.send(&esphome.DeviceRequest{Address: m.Address, Type: esphome.Disconnect})
	case !m.Connected:
		l.takeEnd(m.Error)
	case l.state == linkAsked:
		l.server.init(l, int(m.MTU))
		if l.state = linkHeld; r.dial.isWanted(mac) {
			l.announce()
		}
	}
}

// announce gives the link to the host, which ends the initiation.
func (l *link) announce() {
	r := l.r
	l.stopTimer()
	l.state, l.handle = linkUp, r.nextHandle()
	p := r.dial.params
	l.params = hci.ConnParamsInUse{Interval: p.IntervalMin, Latency: p.Latency, Timeout: max(p.Timeout, proxyTimeout)}
	r.handles[l.handle] = l
	r.dial.endInitiation()
	r.dial.sendComplete(hci.LEEnhancedConnectionComplete{Handle: l.handle, Role: hci.RoleCentral, Peer: l.peer, Params: l.params})
}

// nextHandle returns a handle that no link has. Those of ended links are not used again
// for as long as possible.
func (r *radio) nextHandle() hci.Handle {
	for {
		if r.handle++; r.handle > hci.MaxHandle {
			r.handle = 1
		}
		if r.handles[r.handle] == nil {
			return r.handle
		}
	}
}

// takeEnd handles the end of the link, or the failure to make it.
func (l *link) takeEnd(number int32) {
	r, was := l.r, l.state
	mac := l.peer.MAC
	wanted := r.dial.isWanted(mac)
	r.log.Debug("link of the proxy ended", "proxy", r.name, "address", l.peer, "number", number, "word", codeWords[number])
	l.drop(statusOf(number))
	if !l.taken {
		r.slots.release(mac)
	}
	if was == linkUp {
		r.slots.ended[mac] = time.Now()
	}
	switch {
	case was == linkEnding && l.again && wanted:
		r.dial.want(l.peer)
	case was == linkAsked && wanted:
		r.refusals[mac] = l.explainRefusal(number)
		if len(r.refusals) > maxHeard {
			clear(r.refusals)
		}
		r.dial.failDevice(l.peer, failure(number))
	}
}

// failure returns the status of a connect that has failed.
func failure(number int32) hci.Status {
	if st := statusOf(number); st != hci.StatusLocalHostTerminated {
		return st
	}
	return hci.StatusUnspecified
}

// drop takes the link out of all lists, and tells the host of the end of a link that it has.
func (l *link) drop(reason hci.Status) {
	r := l.r
	l.stopTimer()
	delete(r.links, l.peer.MAC)
	l.leaveHost(reason)
}

// leaveHost ends the link for the host, if it has it, and a pairing on it.
func (l *link) leaveHost(reason hci.Status) {
	l.r.endPairing(l.peer.MAC)
	if l.handle == 0 {
		return
	}
	delete(l.r.handles, l.handle)
	l.r.sendEvent(&hci.DisconnectionComplete{Handle: l.handle, Reason: reason})
	l.handle = 0
}

// disconnect ends a link for the host.
func (r *radio) disconnect(h hci.Handle) reply {
	l := r.handles[h]
	if l == nil {
		return reply{status: hci.StatusUnknownConnection}
	}
	return reply{then: l.askForEnd}
}

// askForEnd has the proxy end the link. One that does not answer in time is taken to have
// done so.
func (l *link) askForEnd() {
	if l.state == linkEnding {
		return
	}
	l.state = linkEnding
	l.setTimer(endTime, func() { l.takeEnd(0) })
	l.r.send(&esphome.DeviceRequest{Address: esphome.AddressOf(l.peer.MAC), Type: esphome.Disconnect})
}

// abandon gives up a request that no initiation has taken up in time.
func (l *link) abandon() {
	if l.state == linkAsking {
		l.drop(hci.StatusSuccess)
		return
	}
	l.askForEnd()
}

// setTimer runs f after d, with r.mu held, unless the timer is set or stopped before. f is
// not run after the end of the radio.
func (l *link) setTimer(d time.Duration, f func()) {
	l.stopTimer()
	epoch := l.epoch
	l.timer = time.AfterFunc(d, func() {
		l.r.mu.Lock()
		defer l.r.mu.Unlock()
		if l.epoch == epoch && l.r.err == nil {
			f()
		}
	})
}

func (l *link) stopTimer() {
	l.epoch++
	if l.timer != nil {
		l.timer.Stop()
	}
}
