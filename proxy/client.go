package proxy

import (
	"fmt"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// client is one client of a Server. The mutex of the Server guards its subscriptions.
type client struct {
	server  *Server
	session *esphome.Session
	address string

	wantsReports, wantsSlots bool
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
		s.wakeScan()
		c.sendScannerLocked(s.scannerStateLocked())
	case *esphome.UnsubscribeAdvertisements:
		c.wantsReports = false
		s.wakeScan()
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

// linkLocked returns the client's own link to a device; nil if there is none.
func (c *client) linkLocked(a esphome.Address) *link {
	mac, ok := macOf(a)
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
	mac, ok := macOf(m.Address)
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
		c.server.background.Go(func() {
			err := c.server.unpair(mac)
			c.session.Send(&esphome.UnpairResponse{Address: m.Address, Success: err == nil, Error: codeOf(err)})
		})
	case esphome.ClearCache:
		c.server.background.Go(func() {
			c.server.m.ClearCache(mac.String())
			c.session.Send(&esphome.ClearCacheResponse{Address: m.Address, Success: true})
		})
	default:
		c.session.Send(&esphome.DeviceConnection{Address: m.Address, Error: codeGATTError})
	}
}
