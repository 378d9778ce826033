package host

import (
	"context"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/smp"
)

// Conn is one link with its protocols. Its methods may be called from any
// goroutine.
type Conn struct {
	link    *controller.Link
	mux     *l2cap.Mux
	bearer  *att.Bearer
	client  *gatt.Client
	session *gatt.Session
	smp     *smp.Machine // nil without Config.SMP
}

// handler is a Conn as the handler of its link. It forwards to the multiplexer; being
// the Conn itself, it leads from a Link to its Conn without a table.
type handler Conn

func (h *handler) ACL(now time.Time, start bool, data []byte) { h.mux.ACL(now, start, data) }
func (h *handler) Event(now time.Time, ev hci.Event)          { h.mux.Event(now, ev) }
func (h *handler) Writable(now time.Time)                     { h.mux.Writable(now) }
func (h *handler) Expire(now time.Time)                       { h.mux.Expire(now) }
func (h *handler) Down(now time.Time, cause error)            { h.mux.Down(now, cause) }

// connOf returns the Conn that newLink has made for a link.
func connOf(l *controller.Link) *Conn { return (*Conn)(l.Handler().(*handler)) }

// Link returns the link below the protocols.
func (c *Conn) Link() *controller.Link { return c.link }

// L2CAP returns the link's multiplexer, which opens credit-based channels.
func (c *Conn) L2CAP() *l2cap.Mux { return c.mux }

// Bearer returns the link's ATT bearer.
func (c *Conn) Bearer() *att.Bearer { return c.bearer }

// GATT returns the GATT client of the peer's attribute table.
func (c *Conn) GATT() *gatt.Client { return c.client }

// Session returns the peer's session with this host's attribute table.
func (c *Conn) Session() *gatt.Session { return c.session }

// SMP returns the link's Security Manager, which pairs and encrypts; nil without
// Config.SMP.
func (c *Conn) SMP() *smp.Machine { return c.smp }

// linkSecurity returns how the link is protected.
func (c *Conn) linkSecurity() smp.Security {
	if c.smp == nil {
		return smp.Security{}
	}
	return c.smp.Security()
}

// Peer returns the peer's address: its identity address if the controller resolves it.
func (c *Conn) Peer() hci.Addr { return c.link.Peer() }

// Done is closed when the link is down.
func (c *Conn) Done() <-chan struct{} { return c.link.Done() }

// Err returns why the link ended, a *controller.DisconnectError; nil while it is up.
func (c *Conn) Err() error { return c.link.Err() }

// closeTimeout bounds Close if the peer no longer answers. It is longer than the longest
// supervision timeout, 32 s.
const closeTimeout = 35 * time.Second

// Close ends the link and waits until it is down, for at most 35 s.
func (c *Conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return c.link.Disconnect(ctx)
}
