package controller

import (
	"slices"

	"github.com/moor-ble/moor/hci"
)

// handleConnectionComplete handles LE Connection Complete and LE Enhanced
// Connection Complete.
func (c *core) handleConnectionComplete(status hci.Status, cn connection) {
	d := &c.dial
	switch {
	case status == hci.StatusAdvertisingTimeout: // of directed advertising (7.8.9)
		c.adv.noteTimeout()
	case status != hci.StatusSuccess:
		d.failInitiation(status, cn.peer)
	case cn.handle > hci.MaxHandle: // no command can name the link
		c.countFault(&c.stats.MalformedPackets, "connection with an impossible handle", "handle", cn.handle, "peer", cn.peer)
		if cn.role == hci.RoleCentral {
			d.failInitiation(hci.StatusUnspecified, cn.peer)
		}
	case c.isRepeated(&cn):
		c.countFault(&c.stats.RepeatedEvents, "repeated connection event ignored", "handle", cn.handle, "peer", cn.peer)
	case cn.role == hci.RolePeripheral:
		expected := c.adv.isActive()
		l := c.addLink(cn)
		if !expected {
			l.verifyLink()
		}
		c.adv.endByConnection()
		if c.onPeripheralLink != nil {
			c.onPeripheralLink(l)
		}
	default:
		c.handleConnectionAsCentral(cn)
	}
}

// failInitiation handles a connection complete event that reports a failure. Its
// handle is not valid, so it must not affect any link.
func (d *dialer) failInitiation(status hci.Status, peer hci.Addr) {
	if d.state == dialIdle {
		d.stuck = false // the late end of a canceled initiation
		d.c.stats.ForeignAnswers++
		return
	}
	if d.state == dialCanceling && status == hci.StatusUnknownConnection {
		d.mute = false
		d.endInitiation(nil)
		return
	}
	if i := slices.IndexFunc(d.group, func(x *dial) bool { return x.namesPeer(peer) }); i >= 0 && len(d.group) > 1 {
		x := d.group[i]
		d.group = slices.Delete(d.group, i, i+1)
		if status != hci.StatusConnectionExists || !d.sweepFor(x) {
			x.initiation, x.shared = d.attempt, []hci.Addr{peer.Identity()}
			d.finishDial(x, nil, status)
		}
		d.endInitiation(nil)
		return
	}
	if len(d.groupPeers()) > 1 && len(d.group) > 1 && !isAboutController(status) {
		d.splitGroup()
		d.endInitiation(nil)
		return
	}
	d.endInitiation(status)
}

// splitGroup gives each half of the group a turn of its own, after an initiation has failed
// for one of its peers, and most controllers do not name it. The half that fails is split
// again. In the end the peer is found, and the dials to the others have lost nothing.
func (d *dialer) splitGroup() {
	for i, x := range d.group {
		x.part = d.parts + 1
		if i >= len(d.group)/2 {
			x.part++
		}
	}
	d.parts += 2
}

// isAboutController reports whether an initiation fails with status whichever peer it is
// for: the controller has no room, or refuses it.
func isAboutController(status hci.Status) bool {
	return slices.Contains([]hci.Status{
		hci.StatusMemoryFull, hci.StatusConnectionLimit, hci.StatusRejectedResources, hci.StatusLimitReached,
		hci.StatusConnectionExists, // the sweep looks into it
		hci.StatusCommandDisallowed, hci.StatusInvalidParameters, hci.StatusUnsupportedFeature,
	}, status)
}

// handleConnectionAsCentral gives a new link to a dial of the group, or to a
// waiting dial for the same peer. If there is none, it closes the link.
func (c *core) handleConnectionAsCentral(cn connection) {
	d := &c.dial
	l := c.addLink(cn)
	x := d.claimLink(l)
	ours := slices.Contains(d.group, x)
	claimed := func(y *dial) bool { return y == x }
	d.group, d.waiting = slices.DeleteFunc(d.group, claimed), slices.DeleteFunc(d.waiting, claimed)
	switch {
	case x == nil:
		c.closeUnwanted(l)
	case x.gone:
		c.closeUnwanted(l)
		d.finishDial(x, nil, x.end)
	default:
		l.phyAsked = x.opts.phys().Has(hci.PHYsCoded)
		if x.opts == nil || !x.opts.DeferTuning {
			l.tuneLink()
		}
		d.finishDial(x, l, nil)
	}
	// A new link ends the present initiation. The exception is a controller that
	// does not report the end of a canceled one: the link may be a late result of
	// that one.
	if ours || !d.mute && (d.state == dialInitiating || d.state == dialCanceling) {
		d.endInitiation(nil)
	}
}

// claimLink returns the dial that gets l, or nil. A dial whose caller still waits
// takes precedence, then a dial of the group.
func (d *dialer) claimLink(l *Link) *dial {
	for _, gone := range []bool{false, true} {
		for _, list := range [][]*dial{d.group, d.waiting} {
			if i := slices.IndexFunc(list, func(x *dial) bool { return x.gone == gone && x.wantsLink(l) }); i >= 0 {
				return list[i]
			}
		}
	}
	return nil
}

// wantsLink reports whether the peer of l is one of the peers of x, by its identity
// address or by the private address that the controller has resolved.
func (x *dial) wantsLink(l *Link) bool { return x.namesPeer(l.peer) || x.namesPeer(l.air) }

// namesPeer reports whether peer is one of the peers of x.
func (x *dial) namesPeer(peer hci.Addr) bool {
	return slices.ContainsFunc(x.peers, func(p hci.Addr) bool { return p.Identity() == peer.Identity() })
}

// closeUnwanted disconnects a link that no caller wants.
func (c *core) closeUnwanted(l *Link) {
	c.stats.OrphanConnections++
	l.StartDisconnect(hci.StatusRemoteUserTerminated, ErrUnwanted)
}
