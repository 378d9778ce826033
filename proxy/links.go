package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// Reasons for which a Server ends a link.
var (
	errAsked        = errors.New("proxy: the client asked for the end of the link")
	errClientLeft   = errors.New("proxy: the client has left")
	errUnsubscribed = errors.New("proxy: the client has ended its subscription to advertisements")
)

// connectLocked begins a link for the client. Exactly one DeviceConnection answers it.
func (c *client) connectLocked(dev hci.Addr) {
	s, a := c.server, esphome.AddressOf(dev.MAC)
	refuse := func(code int32) { c.session.Send(&esphome.DeviceConnection{Address: a, Error: code}) }
	l := s.links[dev.MAC]
	slots := s.slotsLocked()
	switch {
	case !s.allows(dev.MAC):
		s.log.Info("device refused by the proxy's lists", "address", dev, "client", c.describe())
		refuse(codeGATTError)
	case s.ctx.Err() != nil:
		refuse(codeGATTError)
	case l != nil && l.owner != c:
		s.log.Info("device is in use", "address", dev, "client", c.describe(), "owner", l.owner.describe())
		refuse(codeGATTError)
	case l != nil && l.ending():
		l.next = &dev // once the end has been told
	case l != nil && l.mtu > 0:
		c.session.Send(&esphome.DeviceConnection{Address: a, Connected: true, MTU: l.mtu})
		c.sendSlotsLocked(slots)
	case l != nil:
		// It is connecting, and its outcome answers both requests.
	case slots.Free == 0:
		refuse(codeOutOfSlots)
	default:
		s.startLinkLocked(c, dev)
	}
}

// startLinkLocked starts the goroutine of a new link, which has its slot from now on.
func (s *Server) startLinkLocked(c *client, dev hci.Addr) {
	l := &link{server: s, owner: c, dev: dev, address: esphome.AddressOf(dev.MAC), since: time.Now(), ops: make(chan esphome.Message, maxOperations)}
	l.ctx, l.cancel = context.WithCancelCause(s.ctx)
	s.links[dev.MAC] = l
	s.tellSlotsLocked()
	s.background.Go(l.run)
}

// endLinkLocked takes a link that has ended out of the table: first its client learns of
// the end, then of the free slot, and then a request that came meanwhile is followed.
func (s *Server) endLinkLocked(l *link, code int32) {
	l.owner.session.Send(&esphome.DeviceConnection{Address: l.address, Error: code})
	delete(s.links, l.dev.MAC)
	s.tellSlotsLocked()
	if l.next != nil {
		l.owner.connectLocked(*l.next)
	}
}

// unpair removes the bonds with a device, whatever the kind of its address.
func (s *Server) unpair(mac hci.MAC) error {
	var errs []error
	for _, a := range s.m.Adapters() {
		bonds := a.Bonds()
		if bonds == nil {
			continue
		}
		for _, kind := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
			errs = append(errs, bonds.Store().Remove(hci.Addr{MAC: mac, Kind: kind}))
		}
	}
	return errors.Join(errs...)
}
