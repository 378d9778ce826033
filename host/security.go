package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/smp"
)

// openSMP makes the Security Manager, once the controller's address is known.
func (h *Host) openSMP(ctx context.Context) error {
	info, cfg := h.ctl.Info(), *h.cfg.SMP
	if cfg.Logger == nil {
		cfg.Logger = h.log
	}
	local := smp.Local{Addr: info.Address, Binding: fmt.Sprintf("manufacturer 0x%04x", info.Version.Manufacturer)}
	told := cfg.Changed
	cfg.Changed = func(peer hci.Addr, b *smp.Bond) {
		h.followBonds()
		if b == nil {
			h.forgetClient(peer)
		}
		if told != nil {
			told(peer, b)
		}
	}
	m, err := smp.NewManager(local, &cfg)
	if err != nil {
		return err
	}
	h.smp = m
	h.loadResolvingList(ctx)
	return m.UsePrivateAddresses(ctx, h.ctl)
}

// SMP returns the Security Manager, which has the bonds; nil without
// Config.SMP.
func (h *Host) SMP() *smp.Manager { return h.smp }

// secureLink joins the Security Manager to the other protocols of a link. On the
// loop.
func (h *Host) secureLink(c *Conn, lc *l2cap.Config, peer *gatt.PeerInfo) {
	var bonded time.Time // when the bond was made that the session knows of
	if b, ok := h.smp.Find(c.link.Peer()); ok {
		peer.Key, peer.Bonded = clientKey(b.Peer), true
		bonded = b.Created
	}
	peer.Security = func() gatt.Security { return gatt.Security(c.linkSecurity()) }
	peer.Verify = func(ctx context.Context, pdu []byte, s [12]byte) (bool, error) { return h.verifySigned(ctx, c, pdu, s) }
	lc.Security = func(l2cap.Link) l2cap.Security {
		s := c.linkSecurity()
		return l2cap.Security{Encrypted: s.Encrypted, Authenticated: s.Authenticated, Bonded: s.Bonded, KeySize: s.KeySize}
	}
	lc.SMP = func(now time.Time, ch *l2cap.Channel) l2cap.Handler {
		c.smp = h.smp.NewMachine(now, ch, c.link, func(now time.Time) {
			if c.session == nil {
				return
			}
			// A pairing tells who a peer with a private address is, and may make a
			// new bond of an old one.
			if b, ok := h.smp.Store().Find(c.smp.Peer()); ok && c.linkSecurity().Bonded && !b.Created.Equal(bonded) {
				bonded = b.Created
				c.session.BondMade(now, clientKey(b.Peer))
				return
			}
			c.session.SecurityChanged(now)
		})
		return c.smp
	}
}

// encryptLink returns a link where there is a bond once it is encrypted, and else as
// it is. It closes a link that cannot be.
func (c *Conn) encryptLink(ctx context.Context) (*Conn, error) {
	if !c.linkSecurity().Bonded {
		return c, nil
	}
	if err := c.smp.Encrypt(ctx); err != nil {
		_ = c.link.Disconnect(ctx) // err says more
		return nil, err
	}
	return c, nil
}

// clientKey is how the table's server calls a bonded peer, by its identity address.
func clientKey(peer hci.Addr) string { return peer.Identity().String() }

// forgetClient has the table's server forget a peer whose bond is gone, so that a new
// bond with it begins with nothing. Any goroutine may call it, the loop too.
func (h *Host) forgetClient(peer hci.Addr) { h.cfg.Server.ForgetClient(clientKey(peer)) }

// verifySigned is the session's gatt.Verifier. The signature is as good as the bond
// that the key is of, which may be replaced while it is checked.
func (h *Host) verifySigned(ctx context.Context, c *Conn, pdu []byte, s smp.Signature) (authenticated bool, err error) {
	before, ok := h.smp.Store().Find(c.smp.Peer())
	if err := c.smp.Verify(ctx, pdu, s); err != nil {
		expected := errors.Is(err, smp.ErrSignature) || errors.Is(err, smp.ErrNoSigningKey) || errors.Is(err, smp.ErrNoBond)
		if !expected && ctx.Err() == nil && h.log != nil {
			h.log.ErrorContext(ctx, "signed write dropped, its counter was not saved", "peer", c.smp.Peer(), "error", err)
		}
		return false, err
	}
	after, still := h.smp.Store().Find(c.smp.Peer())
	return ok && still && before.Authenticated && after.Authenticated, nil
}

var (
	_ l2cap.Handler = (*smp.Machine)(nil)
	_ smp.Link      = (*controller.Link)(nil)
	_ smp.Resolver  = (*controller.Controller)(nil)
	_ l2cap.Link    = (*controller.Link)(nil)

	_ controller.LinkHandler = (*l2cap.Mux)(nil)
	_ smp.Channel            = (*l2cap.Channel)(nil)
)
