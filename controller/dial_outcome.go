package controller

import (
	"slices"

	"github.com/moor-ble/moor/hci"
)

// connected handles both connection complete events.
func (c *core) connected(status hci.Status, cn connection) {
	d := &c.dial
	switch {
	case status == hci.StatusAdvertisingTimeout: // of directed advertising (7.8.9)
		c.adv.stopped()
	case status != hci.StatusSuccess:
		d.failed(status, cn.peer)
	case cn.role == hci.RolePeripheral:
		l := c.addLink(cn)
		c.adv.connected()
		if c.accept != nil {
			c.accept(l)
		}
	default:
		c.connectedAsCentral(cn)
	}
}

// failed handles a connection complete event with a status. It has no valid
// handle, so it must not touch any link.
func (d *dialer) failed(status hci.Status, peer hci.Addr) {
	if d.state == dialIdle {
		d.stuck = false // the end of what was canceled, late
		d.c.stats.ForeignAnswers++
		return
	}
	if d.state == dialCanceling && status == hci.StatusUnknownConnection {
		d.over(nil)
		return
	}
	if i := slices.IndexFunc(d.group, func(x *dial) bool { return x.names(peer) }); i >= 0 && len(d.group) > 1 {
		x := d.group[i]
		d.group = slices.Delete(d.group, i, i+1)
		d.finish(x, nil, status)
		d.over(nil)
		return
	}
	d.over(status)
}

// connectedAsCentral gives a new link to a dial that wants it: one of the
// initiation's, or one that waits for the same peer. Otherwise the link is
// closed.
func (c *core) connectedAsCentral(cn connection) {
	d := &c.dial
	l := c.addLink(cn)
	x := d.claim(l)
	ours := slices.Contains(d.group, x)
	claimed := func(y *dial) bool { return y == x }
	d.group, d.waiting = slices.DeleteFunc(d.group, claimed), slices.DeleteFunc(d.waiting, claimed)
	switch {
	case x == nil:
		c.orphan(l)
	case x.gone:
		c.orphan(l)
		d.finish(x, nil, x.end)
	default:
		l.tune()
		d.finish(x, l, nil)
	}
	// A link ends the initiation that brought it, whoever wants it. Only where an
	// earlier one was given up unconfirmed may it be the late success of that.
	if ours || !d.mute && (d.state == dialInitiating || d.state == dialCanceling) {
		d.over(nil)
	}
}

// claim returns the dial that gets l: rather one whose caller still waits, and
// rather one of the initiation's. It is nil if nobody wants l.
func (d *dialer) claim(l *Link) *dial {
	for _, gone := range []bool{false, true} {
		for _, list := range [][]*dial{d.group, d.waiting} {
			if i := slices.IndexFunc(list, func(x *dial) bool { return x.gone == gone && x.wants(l) }); i >= 0 {
				return list[i]
			}
		}
	}
	return nil
}

// wants reports whether l is to a peer that x is waiting for, by its identity
// or by the private address that the controller has resolved.
func (x *dial) wants(l *Link) bool { return x.names(l.peer) || x.names(l.air) }

// names reports whether peer is one of those that x is waiting for.
func (x *dial) names(peer hci.Addr) bool {
	return slices.ContainsFunc(x.peers, func(p hci.Addr) bool { return p.Identity() == peer.Identity() })
}

func (c *core) orphan(l *Link) {
	c.stats.OrphanConnections++
	l.StartDisconnect(hci.StatusRemoteUserTerminated, ErrUnwanted)
}
