package host

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/l2cap"
)

// maxBearers is the number of enhanced ATT bearers of a link, whoever opens them.
const maxBearers = 5

// enhancedMTU is the least MTU of an enhanced bearer (Vol 3, Part G, 5.3.1).
const enhancedMTU = 64

// serveEATT makes a link accept enhanced ATT bearers, once it is encrypted (Vol 3,
// Part G, 5.3). The Security Manager refuses keys shorter than its own least ones.
func (h *Host) serveEATT(c *Conn, lc *l2cap.Config) {
	lc.Packets = maps.Clone(lc.Packets)
	if lc.Packets == nil {
		lc.Packets = map[l2cap.PSM]*l2cap.PacketService{}
	}
	mtu := h.cfg.MTU
	if mtu == 0 {
		mtu = 517
	}
	lc.Packets[l2cap.PSMEATT] = &l2cap.PacketService{
		CoC:  &l2cap.CoCConfig{MTU: max(mtu, enhancedMTU), Encrypted: true},
		Most: maxBearers,
		Accept: func(now time.Time, ch *l2cap.PacketChannel) l2cap.Handler {
			return c.bearer.AddEnhanced(now, ch)
		},
	}
}

// openBearers opens enhanced bearers until the link has n. Each has a request of
// its own, so that no peer can answer in another order than that of the request,
// as Linux reads the answers to its own requests.
func (c *Conn) openBearers(ctx context.Context, n int) error {
	collided := false
	for c.bearer.AllEnhanced() < n {
		opened, err := c.mux.OpenPackets(ctx, l2cap.PSMEATT, 1)
		switch {
		case opened > 0:
		case errors.Is(err, l2cap.ResultNoResources) && !collided:
			collided = true
			if err := c.awaitCollision(ctx); err != nil {
				return err
			}
		case err == nil: // the peer opens them at the same time
			return nil
		case c.bearer.AllEnhanced() > 0: // as many as the peer has room for
			return nil
		default:
			return err
		}
	}
	return nil
}

// awaitCollision waits before another request after the peer had no resources,
// perhaps since both sides have asked at a time: the central may ask again at once,
// the peripheral after 100 ms and two connection events that it listens to (Vol 3,
// Part G, 5.4). A random time is added, so that two hosts with the same timers do
// not meet again.
func (c *Conn) awaitCollision(ctx context.Context) error {
	if c.link.Role() == hci.RoleCentral {
		return nil
	}
	p := c.link.State().Params
	d := max(100*time.Millisecond, 2*time.Duration(p.Latency+1)*p.Interval)
	t := time.NewTimer(d + rand.N(10*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.Done():
		return c.Err()
	}
}
