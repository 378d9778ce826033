package proxy

import (
	"fmt"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// client is one client of a Server. The mutex of the Server guards its subscriptions.
type client struct {
	server  *Server
	session *esphome.Session
	address string
	since   time.Time

	wantsReports, wantsSlots bool
	subscribed               int                  // how often it subscribed to advertisements
	forgetting               int                  // requests to remove files that run
	slots                    esphome.Slots        // as the client was told last
	scanner                  esphome.ScannerState // likewise
}

// describe returns the client's name and address for logs.
func (c *client) describe() string {
	return fmt.Sprintf("%s (%s)", c.session.Client().Client, c.address)
}

// handle handles a message of the client. It runs on the goroutine of the session, and
// waits for nothing.
func (c *client) handle(_ *esphome.Session, m esphome.Message) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.(type) {
	case *esphome.SubscribeAdvertisements:
		c.wantsReports = true
		c.subscribed++
		s.wakeScan()
		c.sendScannerLocked(s.scannerStateLocked())
	case *esphome.UnsubscribeAdvertisements:
		c.unsubscribeLocked()
	case *esphome.SubscribeSlots:
		c.wantsSlots = true
		c.sendSlotsLocked(s.slotsLocked())
	case *esphome.SetScannerMode:
		s.setModeLocked(m.Mode)
	case *esphome.DeviceRequest:
		c.requestLocked(m)
	case *esphome.ServicesRequest:
		c.operateLocked(m.Address, 0, m)
	case *esphome.ReadRequest:
		c.operateLocked(m.Address, m.Handle, m)
	case *esphome.ReadDescriptorRequest:
		c.operateLocked(m.Address, m.Handle, m)
	case *esphome.WriteRequest:
		c.operateLocked(m.Address, m.Handle, m)
	case *esphome.WriteDescriptorRequest:
		c.operateLocked(m.Address, m.Handle, m)
	case *esphome.NotifyRequest:
		c.operateLocked(m.Address, m.Handle, m)
	case *esphome.SetParams:
		if l := c.linkLocked(m.Address); l == nil || !l.enqueue(m) {
			c.session.Send(&esphome.SetParamsResponse{Address: m.Address, Error: codeNotConnected})
		}
	}
}

// unsubscribeGrace is how long after the end of its subscription a client may subscribe
// again and keep its links.
const unsubscribeGrace = 100 * time.Millisecond

// unsubscribeLocked ends the client's subscription to advertisements, and with it the links
// that it has, unless it subscribes again at once: in ESPHome the subscriber is the owner
// of all links. Links that it makes later live.
func (c *client) unsubscribeLocked() {
	s := c.server
	c.wantsReports = false
	s.wakeScan()
	var had []*link
	for _, l := range s.links {
		if l.owner == c {
			had = append(had, l)
		}
	}
	if len(had) == 0 {
		return
	}
	subscribed := c.subscribed
	time.AfterFunc(unsubscribeGrace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l := range had {
			if c.subscribed == subscribed && s.links[l.dev.MAC] == l {
				l.next = nil
				l.end(errUnsubscribed)
			}
		}
	})
}

// linkLocked returns the client's own link to a device; nil if there is none.
func (c *client) linkLocked(a esphome.Address) *link {
	mac, ok := a.Octets()
	if !ok {
		return nil
	}
	if l := c.server.links[mac]; l != nil && l.owner == c {
		return l
	}
	return nil
}

// operateLocked queues an operation on a link of the client, or answers that there is
// none.
func (c *client) operateLocked(a esphome.Address, handle uint32, m esphome.Message) {
	l := c.linkLocked(a)
	switch {
	case l == nil:
		c.session.Send(&esphome.GATTError{Address: a, Handle: handle, Error: codeNotConnected})
	case !l.enqueue(m):
		c.session.Send(&esphome.GATTError{Address: a, Handle: handle, Error: codeBusy})
	}
}

// requestLocked handles a request about a device.
func (c *client) requestLocked(m *esphome.DeviceRequest) {
	mac, ok := m.Address.Octets()
	switch m.Type {
	case esphome.ConnectWithCache, esphome.ConnectWithoutCache:
		if !ok || !m.HasKind {
			c.session.Send(&esphome.DeviceConnection{Address: m.Address, Error: codeGATTError})
			return
		}
		c.connectLocked(hci.Addr{MAC: mac, Kind: kindOf(m.Kind)})
	case esphome.Disconnect:
		if l := c.linkLocked(m.Address); l != nil {
			l.next = nil
			l.end(errAsked)
			return
		}
		c.session.Send(&esphome.DeviceConnection{Address: m.Address})
		c.sendSlotsLocked(c.server.slotsLocked())
	case esphome.Pair:
		if l := c.linkLocked(m.Address); l == nil || !l.enqueue(m) {
			c.session.Send(&esphome.PairResponse{Address: m.Address, Error: codeNotConnected})
		}
	case esphome.Unpair:
		if !ok || !c.server.allows(mac) {
			c.session.Send(&esphome.UnpairResponse{Address: m.Address, Error: codeGATTError})
		} else if !c.forgetLocked(func() {
			err := c.server.unpair(mac)
			c.session.Send(&esphome.UnpairResponse{Address: m.Address, Success: err == nil, Error: codeOf(err)})
		}) {
			c.session.Send(&esphome.UnpairResponse{Address: m.Address, Error: codeBusy})
		}
	case esphome.ClearCache:
		if !ok || !c.server.allows(mac) {
			c.session.Send(&esphome.ClearCacheResponse{Address: m.Address, Error: codeGATTError})
		} else if !c.forgetLocked(func() {
			c.server.m.ClearCache(hci.MAC(mac).String())
			c.session.Send(&esphome.ClearCacheResponse{Address: m.Address, Success: true})
		}) {
			c.session.Send(&esphome.ClearCacheResponse{Address: m.Address, Error: codeBusy})
		}
	default:
		c.session.Send(&esphome.DeviceConnection{Address: m.Address, Error: codeGATTError})
	}
}

// maxForgetting is how many requests of one client to remove files may run.
const maxForgetting = 16

// forgetLocked runs f, which removes files, on a goroutine of its own. It is false if too
// many run.
func (c *client) forgetLocked(f func()) bool {
	if c.forgetting >= maxForgetting {
		return false
	}
	c.forgetting++
	c.server.background.Go(func() {
		f()
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		c.forgetting--
	})
	return true
}
