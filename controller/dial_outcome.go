package controller

import (
	"slices"

	"github.com/moor-ble/moor/hci"
)

// connected handles both connection complete events.
func (c *core) handleConnectionComplete(status hci.Status, cn connection) {
	d := &c.dial
	switch {
	case status == hci.StatusAdvertisingTimeout: // of directed advertising (7.8.9)
		c.adv.noteStopped()
	case status != hci.StatusSuccess:
		d.failInitiation(status, cn.peer)
	case cn.role == hci.RolePeripheral:
		l := c.addLink(cn)
		c.adv.endByConnection()
		if c.onPeripheralLink != nil {
			c.onPeripheralLink(l)
		}
	default:
		c.handleConnectionAsCentral(cn)
	}
}

// failed handles a connection complete event with a status. It has no valid
// handle, so it must not touch any link.
func (d *dialer) failInitiation(status hci.Status, peer hci.Addr) {
	if d.state == dialIdle {
		d.stuck = false // the end of what was canceled, late
		d.c.stats.ForeignAnswers++
		return
	}
	if d.state == dialCanceling && status == hci.StatusUnknownConnection {
		d.endInitiation(nil)
		return
	}
	if i := slices.IndexFunc(d.group, func(x *dial) bool { return x.namesPeer(peer) }); i >= 0 && len(d.group) > 1 {
		x := d.group[i]
		d.group = slices.Delete(d.group, i, i+1)
		if status != hci.StatusConnectionExists || !d.sweepFor(x) {
			x.initiation = d.attempt
			d.finishDial(x, nil, status)
		}
		d.endInitiation(nil)
		return
	}
	d.endInitiation(status)
}

// connectedAsCentral gives a new link to a dial that wants it: one of the
// initiation's, or one that waits for the same peer. Otherwise the link is
// closed.
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
		if x.opts == nil || !x.opts.DeferTuning {
			l.tuneLink()
		}
		d.finishDial(x, l, nil)
	}
	// A link ends the initiation that brought it, whoever wants it. Only where an
	// earlier one was given up unconfirmed may it be the late success of that.
	if ours || !d.mute && (d.state == dialInitiating || d.state == dialCanceling) {
		d.endInitiation(nil)
	}
}

// claim returns the dial that gets l: rather one whose caller still waits, and
// rather one of the initiation's. It is nil if nobody wants l.
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

// wants reports whether l is to a peer that x is waiting for, by its identity
// or by the private address that the controller has resolved.
func (x *dial) wantsLink(l *Link) bool { return x.namesPeer(l.peer) || x.namesPeer(l.air) }

// names reports whether peer is one of those that x is waiting for.
func (x *dial) namesPeer(peer hci.Addr) bool {
	return slices.ContainsFunc(x.peers, func(p hci.Addr) bool { return p.Identity() == peer.Identity() })
}

func (c *core) closeUnwanted(l *Link) {
	c.stats.OrphanConnections++
	l.StartDisconnect(hci.StatusRemoteUserTerminated, ErrUnwanted)
}
