package goble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci/evt"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// errNoPeripheral is the answer of a Device on a Manager, which makes links and
// accepts none.
var errNoPeripheral = fmt.Errorf("goble: a Device on a Manager has neither the peripheral role nor handlers of links: open the Device with goble.Open: %w", ble.ErrNotImplemented)

// peripheral is the peripheral role of a Device on a host: the attribute table, and the
// links of all peers that use it.
type peripheral struct {
	h      *host.Host
	events func() *options // in force now
	accept sync.Once

	air  sync.Mutex // held while advertising begins or ends
	turn int        // of the latest advertisement; guarded by air

	change   sync.Mutex     // held while the table changes
	services []*ble.Service // guarded by change

	mu      sync.Mutex
	clients map[*gatt.Session]*served // guarded by mu
}

// served is a link whose peer uses the table.
type served struct {
	conn *conn

	mu        sync.Mutex
	down      bool                   // guarded by mu, as below
	notifiers map[notifies]*notifier // open ones
}

// acceptFor accepts links from now on if the options have handlers of links.
func (p *peripheral) acceptFor(o *options) {
	if o.connected != nil || o.disconnected != nil {
		p.acceptLinks()
	}
}

// acceptLinks takes the links of centrals, until the host ends.
func (p *peripheral) acceptLinks() {
	p.accept.Do(func() {
		go func() {
			for {
				c, err := p.h.Accept(context.Background())
				if err != nil {
					return
				}
				p.serveConn(c)
			}
		}()
	})
}

// serveConn returns the served link of a Conn.
func (p *peripheral) serveConn(c *host.Conn) *served {
	p.mu.Lock()
	s := p.clients[c.Session()]
	p.mu.Unlock()
	if s != nil {
		return s
	}
	l := &link{Conn: c, local: p.h.Controller().KnownInfo().Address.MAC, ended: c.Done(), close: c.Close}
	return p.serveLink(l, newConn(l))
}

// serveLink enters a link, unless it is known, and watches it until it ends.
func (p *peripheral) serveLink(l *link, c *conn) *served {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.clients[l.Session()]; s != nil {
		return s
	}
	s := &served{conn: c, notifiers: map[notifies]*notifier{}}
	p.clients[l.Session()] = s
	go p.watchLink(l.Conn, s)
	return s
}

// watchLink calls the handlers of links, and ends the notifiers with the link.
func (p *peripheral) watchLink(c *host.Conn, s *served) {
	if f := p.events().connected; f != nil {
		f(connectionComplete(c.Link()))
	}
	<-c.Done()
	p.mu.Lock()
	delete(p.clients, c.Session())
	p.mu.Unlock()
	s.closeNotifiers(func(notifies) bool { return true }, true)
	if f := p.events().disconnected; f != nil {
		f(disconnectionComplete(c))
	}
}

// findClient returns the served link of a session; nil if the link is down.
func (p *peripheral) findClient(session *gatt.Session) *served {
	p.mu.Lock()
	s := p.clients[session]
	p.mu.Unlock()
	if s != nil {
		return s
	}
	for _, c := range p.h.Conns() { // the request came before Accept
		if c.Session() == session {
			return p.serveConn(c)
		}
	}
	return nil
}

// connectionComplete returns go-ble's event of a link (Vol 4, Part E, 7.7.65.1).
func connectionComplete(l *controller.Link) evt.LEConnectionComplete {
	peer, params := l.Peer(), l.State().Params
	b := []byte{evt.LEConnectionCompleteSubCode, 0}
	b = binary.LittleEndian.AppendUint16(b, uint16(l.Handle()))
	b = append(b, byte(l.Role()), byte(peer.Kind)&1)
	b = append(b, peer.MAC[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(params.Interval/(1250*time.Microsecond)))
	b = binary.LittleEndian.AppendUint16(b, params.Latency)
	b = binary.LittleEndian.AppendUint16(b, uint16(params.Timeout/(10*time.Millisecond)))
	return append(b, 0)
}

// disconnectionComplete returns go-ble's event of a link that is down (7.7.5).
func disconnectionComplete(c *host.Conn) evt.DisconnectionComplete {
	var reason hci.Status
	if down, ok := errors.AsType[*controller.DisconnectError](c.Err()); ok {
		reason = down.Reason
	}
	b := binary.LittleEndian.AppendUint16([]byte{0}, uint16(c.Link().Handle()))
	return append(b, byte(reason))
}

// AddService adds a service to the attribute table, behind those added before. Peers that
// are connected are informed. The handles are filled in. The service must not change from
// then on. Handlers of requests run on goroutines of their own: for one peer in order, for
// several at the same time. A Device on a Manager has no peripheral role: all methods of
// that role return an error that wraps ble.ErrNotImplemented.
func (d *Device) AddService(svc *ble.Service) error {
	return d.changeServices(func(old []*ble.Service) []*ble.Service {
		return append(slices.Clip(old), svc)
	})
}

// RemoveAllServices removes the services that were added. Those of the stack itself, Generic
// Access and Generic Attribute, stay.
func (d *Device) RemoveAllServices() error {
	return d.changeServices(func([]*ble.Service) []*ble.Service { return nil })
}

// SetServices replaces the services that were added; see AddService.
func (d *Device) SetServices(svcs []*ble.Service) error {
	return d.changeServices(func([]*ble.Service) []*ble.Service { return append([]*ble.Service(nil), svcs...) })
}

// changeServices replaces the services. If the new ones are invalid, the old ones stay.
func (d *Device) changeServices(change func(old []*ble.Service) []*ble.Service) error {
	p := d.peripheral
	if p == nil {
		return errNoPeripheral
	}
	p.change.Lock()
	defer p.change.Unlock()
	services := change(p.services)
	defs, err := p.defineServices(services)
	if err != nil {
		return err
	}
	p.acceptLinks()
	ctx, cancel := context.WithTimeout(context.Background(), changeTime)
	defer cancel()
	if err := p.h.Server().SetServices(ctx, defs); err != nil {
		return fmt.Errorf("goble: can't set the services: %w", err)
	}
	p.services = services
	kept := p.fillHandles()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.clients {
		s.closeNotifiers(func(n notifies) bool { return kept[n.char] != n.value }, false)
	}
	return nil
}

// changeTime bounds a change of the table, which waits for the loop of the controller.
const changeTime = 10 * time.Second
