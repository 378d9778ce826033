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

// openSMP makes the Security Manager. The controller must be open: its address is needed.
func (h *Host) openSMP(ctx context.Context) error {
	info, cfg := h.ctl.KnownInfo(), *h.cfg.SMP
	if cfg.Logger == nil {
		cfg.Logger = h.log
	}
	local := smp.Local{Addr: info.Address, Binding: fmt.Sprintf("manufacturer 0x%04x", info.Version.Manufacturer)}
	changed := cfg.Changed
	cfg.Changed = func(peer hci.Addr, b *smp.Bond) {
		h.followBonds()
		if b == nil {
			h.forgetClient(peer)
		}
		if changed != nil {
			changed(peer, b)
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

// SMP returns the Security Manager, which holds the bonds; nil without
// Config.SMP.
func (h *Host) SMP() *smp.Manager { return h.smp }

// secureLink joins the Security Manager to the other protocols of a link. It must run on
// the loop.
func (h *Host) secureLink(c *Conn, lc *l2cap.Config, peer *gatt.PeerInfo) {
	var bonded time.Time // Bond.Created of the bond that the session knows
	if b, ok := h.smp.Find(c.link.Peer()); ok {
		peer.Key, peer.Bonded = clientKey(b.Peer), true
		bonded = b.Created
	}
	peer.Security = func() gatt.Security { return gatt.Security(c.linkSecurity()) }
	peer.Verify = func(ctx context.Context, pdu []byte, s [12]byte) (bool, error) {
		return h.verifySigned(ctx, c, pdu, s)
	}
	lc.Security = func(l2cap.Link) l2cap.Security {
		s := c.linkSecurity()
		return l2cap.Security{
			Encrypted: s.Encrypted, Authenticated: s.Authenticated, Bonded: s.Bonded, KeySize: s.KeySize,
		}
	}
	lc.SMP = func(now time.Time, ch *l2cap.Channel) l2cap.Handler {
		c.smp = h.smp.NewMachine(now, ch, c.link, func(now time.Time) {
			if c.session == nil {
				return
			}
			// A pairing reveals the identity of a peer with a private address, and may
			// have replaced the bond.
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

// encryptLink encrypts the link if there is a bond, and returns the Conn. If that fails,
// it closes the link.
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

// clientKey returns the gatt.PeerInfo.Key of a bonded peer: its identity address.
func clientKey(peer hci.Addr) string { return peer.Identity().String() }

// forgetClient makes the server forget the state of a peer whose bond is removed, so that
// a new bond with the peer starts without any. Any goroutine may call it, the loop too.
func (h *Host) forgetClient(peer hci.Addr) {
	if s := h.server.Load(); s != nil { // otherwise no peer has had a link
		s.ForgetClient(clientKey(peer))
	}
}

// verifySigned is the gatt.Verifier of a session. It reports whether the bond that
// the signing key belongs to is authenticated. The bond may be replaced meanwhile, so
// that the old and the new one both have to be.
func (h *Host) verifySigned(ctx context.Context, c *Conn, pdu []byte, s smp.Signature) (authenticated bool, err error) {
	before, ok := h.smp.Store().Find(c.smp.Peer())
	if err := c.smp.Verify(ctx, pdu, s); err != nil {
		refused := errors.Is(err, smp.ErrSignature) ||
			errors.Is(err, smp.ErrNoSigningKey) || errors.Is(err, smp.ErrNoBond)
		if !refused && ctx.Err() == nil && h.log != nil {
			h.log.ErrorContext(ctx, "signed write dropped, its counter was not saved",
				"peer", c.smp.Peer(), "error", err)
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
