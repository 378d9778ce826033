package host

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/smp"
)

// openSMP makes the Security Manager, once the controller's address is known.
func (h *Host) openSMP(ctx context.Context) error {
	info, cfg := h.dev.Info(), *h.cfg.SMP
	if cfg.Logger == nil {
		cfg.Logger = h.log
	}
	local := smp.Local{Addr: info.Address, Binding: fmt.Sprintf("manufacturer 0x%04x", info.Version.Manufacturer)}
	told := cfg.Changed
	cfg.Changed = func(peer hci.Addr, b *smp.Bond) {
		h.bondChanged()
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
	return m.UsePrivateAddresses(ctx, h.dev)
}

// SMP returns the Security Manager, which has the bonds; nil without
// Config.SMP.
func (h *Host) SMP() *smp.Manager { return h.smp }

// secure joins the Security Manager to the other protocols of a link. On the
// loop.
func (h *Host) secure(c *Conn, lc *l2cap.Config, peer *gatt.PeerInfo) {
	if b, ok := h.smp.Find(c.link.Peer()); ok {
		peer.Key, peer.Bonded = b.Peer.String(), true
	}
	peer.Security = func() gatt.Security { return gatt.Security(c.security()) }
	lc.Security = func(l2cap.Link) l2cap.Security {
		s := c.security()
		return l2cap.Security{Encrypted: s.Encrypted, Authenticated: s.Authenticated, Bonded: s.Bonded, KeySize: s.KeySize}
	}
	lc.SMP = func(now time.Time, ch *l2cap.Channel) l2cap.Handler {
		c.smp = h.smp.NewMachine(now, ch, c.link, func(now time.Time) {
			if c.session != nil {
				c.session.SecurityChanged(now)
			}
		})
		return c.smp
	}
}

var (
	_ l2cap.Handler = (*smp.Machine)(nil)
	_ smp.Link      = (*hci.Link)(nil)
	_ smp.Channel   = (*l2cap.Channel)(nil)
)
