package hci

import "slices"

// connected handles both connection complete events.
func (c *core) connected(status Status, cn connection) {
	d := &c.dial
	switch {
	case status == StatusAdvertisingTimeout: // of directed advertising (7.8.9)
		c.adv.stopped()
	case status != StatusSuccess:
		d.failed(status, cn.peer)
	case cn.role == RolePeripheral:
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
func (d *dialer) failed(status Status, peer Addr) {
	if d.state == dialIdle {
		d.c.stats.ForeignAnswers++
		return
	}
	if d.state == dialCanceling && status == StatusUnknownConnection {
		d.over(nil)
		return
	}
	if i := slices.IndexFunc(d.group, func(x *dial) bool { return x.wants(peer) }); i >= 0 && len(d.group) > 1 {
		x := d.group[i]
		d.group = slices.Delete(d.group, i, i+1)
		d.finish(x, nil, status)
		d.over(nil)
		return
	}
	d.over(status)
}

// connectedAsCentral gives a new link to a dial that wants it: one of the
// initiation's, or one that waits for the same peer when this connection is
// the late success of an initiation that was given up. Otherwise the link is
// closed.
func (c *core) connectedAsCentral(cn connection) {
	d := &c.dial
	l := c.addLink(cn)
	for _, list := range []*[]*dial{&d.group, &d.waiting} {
		i := slices.IndexFunc(*list, func(x *dial) bool { return x.wants(cn.peer) })
		if i < 0 {
			continue
		}
		x := (*list)[i]
		*list = slices.Delete(*list, i, i+1)
		if x.gone {
			c.orphan(l)
			d.finish(x, nil, x.end)
		} else {
			l.tune()
			d.finish(x, l, nil)
		}
		if list == &d.group {
			d.over(nil)
		}
		return
	}
	c.orphan(l)
}

func (c *core) orphan(l *Link) {
	c.stats.OrphanConnections++
	l.StartDisconnect(StatusRemoteUserTerminated, ErrUnwanted)
}
