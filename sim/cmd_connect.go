package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// initiatorState is the controller's only initiator.
type initiatorState struct {
	listener
	policy  uint8
	peer    hci.Addr
	ownKind hci.AddrKind
	params  linkParams
}

// pending reports whether the controller initiates.
func (i *initiatorState) pending() bool { return i.on }

func (c *Controller) connectCommand(p hci.Params, r *reply) bool {
	switch p := p.(type) {
	case hci.LECreateConnection:
		c.startInitiating(r, initiatorState{
			policy: p.FilterPolicy, peer: p.Peer, ownKind: p.OwnAddrKind, params: newLinkParams(p.Params),
			listener: listener{interval: p.ScanInterval, window: p.ScanWindow, phys: hci.PHYs1M},
		})
	case hci.LEExtendedCreateConnection:
		if !c.phys().Has(p.PHYs) {
			r.st = hci.StatusUnsupportedFeature
			break
		}
		first := p.Initiating[0]
		c.startInitiating(r, initiatorState{
			policy: p.FilterPolicy, peer: p.Peer, ownKind: p.OwnAddrKind, params: newLinkParams(first.Params),
			listener: listener{interval: first.ScanInterval, window: first.ScanWindow, phys: p.PHYs},
		})
	case hci.LECreateConnectionCancel:
		if !c.initiator.pending() {
			r.st = hci.StatusCommandDisallowed
			break
		}
		c.air.deafen(&c.initiator.listener)
		r.after(func() { c.noConnection(hci.StatusUnknownConnection, 0) })
	case hci.LEReadFilterAcceptListSize:
		r.ret = hci.Count(c.cfg.acceptListSize())
	case hci.LEClearFilterAcceptList:
		if c.acceptListInUse() {
			r.st = hci.StatusCommandDisallowed
			break
		}
		c.accept = nil
	case hci.LEAddDeviceToFilterAcceptList:
		switch {
		case c.acceptListInUse():
			r.st = hci.StatusCommandDisallowed
		case slices.Contains(c.accept, p.Addr):
		case len(c.accept) >= c.cfg.acceptListSize():
			r.st = hci.StatusMemoryFull
		default:
			c.accept = append(c.accept, p.Addr)
		}
	case hci.LERemoveDeviceFromFilterAcceptList:
		if c.acceptListInUse() {
			r.st = hci.StatusCommandDisallowed
			break
		}
		c.accept = slices.DeleteFunc(c.accept, func(a hci.Addr) bool { return a == p.Addr })
	default:
		return false
	}
	return true
}

// acceptListInUse reports whether the filter accept list is in use, so that it
// must not change (Vol 4, Part E, 7.8.15).
func (c *Controller) acceptListInUse() bool {
	uses := func(s *advSet) bool { return s.adv.on && s.params.FilterPolicy != 0 }
	return c.initiator.pending() && c.initiator.policy == 1 || c.scan.enabled && c.scan.policy&1 != 0 ||
		c.legacySet != nil && uses(c.legacySet) || slices.ContainsFunc(c.sets, uses)
}

// startInitiating checks a create connection command and starts the initiator.
func (c *Controller) startInitiating(r *reply, i initiatorState) {
	random := i.ownKind == hci.AddrRandom || i.ownKind == hci.AddrRandomIdentity
	refused := c.takeConnectFault(i.peer, true)
	switch {
	case c.initiator.pending(), c.cfg.NoScanWhileInitiating && c.scan.enabled:
		r.st = hci.StatusCommandDisallowed
	case random && !c.hasRandom:
		r.st = hci.StatusInvalidParameters
	case i.policy == 0 && c.linked(i.peer):
		r.st = hci.StatusConnectionExists
	case refused != nil:
		r.st = refused.Status
	case c.full() && c.cfg.FullLate:
		r.after(func() { c.noConnection(c.fullStatus(), 0) })
	case c.full():
		r.st = c.fullStatus()
	default:
		i.node, i.initiating, i.hears = c.node, true, c.hearsInitiating
		c.initiator = i
		c.air.listen(&c.initiator.listener)
	}
}

// linked reports whether there is a link to the peer.
func (c *Controller) linked(peer hci.Addr) bool {
	return slices.ContainsFunc(c.conns, func(k *conn) bool {
		return k != nil && k.peer.Identity() == peer.Identity()
	})
}

// noConnection reports that a connect has failed.
func (c *Controller) noConnection(st hci.Status, delay time.Duration) {
	c.connectionComplete(hci.LEEnhancedConnectionComplete{Status: st}, delay)
}

// hearsInitiating connects to an advertiser that the host has dialed.
func (c *Controller) hearsInitiating(v *advertiser) {
	i := &c.initiator
	identity, private := c.resolve(v.own)
	wanted := c.isDialed(i.peer, identity, private)
	if i.policy == 1 {
		wanted = c.listed(identity)
	}
	me, rpa := c.ownAddr(i.ownKind, c.random, identity)
	switch {
	case !v.connectable, !wanted, !c.accepts(identity), c.linked(identity), c.full(),
		v.directed && v.peer != me && !c.isMe(v.peer, i.ownKind):
		return
	}
	a, request, answer := c.air, hci.PHY1M.Airtime(connectLen), time.Duration(0)
	heard := a.arrives(c.node, v.radio) && v.owner.allowsConnect(v, me)
	f := c.takeConnectFault(identity.Identity(), false)
	if f != nil && f.Status != hci.StatusSuccess {
		a.deafen(&i.listener)
		c.noConnection(f.Status, f.Delay)
		return
	}
	if f != nil {
		heard = false
	}
	if !v.legacy { // AUX_CONNECT_REQ has an answer, without which there is no link
		answer = interFrameSpace + or(v.secondary, hci.PHY1M).Airtime(14)
		answered := heard && a.arrives(v.radio, c.node)
		if !answered && f == nil {
			if heard {
				c.orphan(v, me, i.params)
			}
			return
		}
	}
	a.deafen(&i.listener)
	l := a.newLink(a.now.plus(interFrameSpace+request+answer), i.params)
	k := &conn{endpoint: l.attach(central, c.node, c, me, v.own), peer: identity, localRPA: rpa}
	if private {
		k.peerRPA = v.own.MAC
	}
	if f != nil {
		k.late = f.Delay
	}
	k.endpoint.aux = k
	if heard {
		v.owner.acceptLink(v, l, me)
	} else {
		l.absent(v.radio)
	}
	if !v.legacy && v.secondary == hci.PHY2M {
		l.c.phy, l.p.phy = hci.PHY2M, hci.PHY2M
	}
	l.schedule()
}

// orphan makes a link that exists for the peripheral only: the central has not
// received AUX_CONNECT_RSP.
func (c *Controller) orphan(v *advertiser, me hci.Addr, p linkParams) {
	l := c.air.newLink(c.air.now.plus(interFrameSpace+hci.PHY1M.Airtime(connectLen)), p)
	l.c = endpoint{link: l, role: central, radio: c.node, phy: hci.PHY1M, lengths: startLengths, gone: true, dead: true}
	v.owner.acceptLink(v, l, me)
	l.schedule()
}

// linkUp implements owner.
func (c *Controller) linkUp(e *endpoint) {
	k, ok := e.aux.(*conn)
	if !ok {
		return
	}
	e.handle = c.addConn(k)
	ev := hci.LEEnhancedConnectionComplete{
		Handle: e.handle, Role: e.role, Peer: k.peer, LocalRPA: k.localRPA, PeerRPA: k.peerRPA,
		Params: e.link.inUse(),
	}
	c.connectionComplete(ev, k.late)
	if c.able.features.Has(hci.FeatureCSA2) {
		c.sendEvent(&hci.LEChannelSelectionAlgorithm{Handle: e.handle, Algorithm: 1})
	}
	if k.set != nil {
		c.sendEvent(&hci.LEAdvertisingSetTerminated{Set: k.set.handle, Handle: e.handle, CompletedEvents: uint8(k.set.adv.events)})
	}
	c.faultLink(e)
}
