package connmgr

import (
	"context"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/smp"
)

// raiseSecurity returns a function that raises the security of the link, if err says
// that the device requires it and there is a way: the bond, or pairing where
// Options.Pair allows it. Otherwise it returns nil.
func (c *Client) raiseSecurity(err error) func(ctx context.Context) error {
	sm := c.link.conn.SMP()
	if sm == nil || !errclass.Of(err).Action.Has(errclass.Secure) {
		return nil
	}
	switch s := sm.Security(); {
	case s.Bonded && !s.Encrypted:
		return sm.Encrypt
	case c.opts.Pair && (!s.Encrypted || !s.Authenticated):
		return func(ctx context.Context) error {
			done, err := c.link.lockPairing(ctx)
			if err != nil {
				return err
			}
			defer done()
			if sm.Security() != s {
				return nil // another user of the link has raised it
			}
			p := c.opts.pairOptions(s.Bonded)
			p.MITM = p.MITM || s.Encrypted // the present security does not suffice
			_, err = c.Pair(ctx, p)
			return err
		}
	}
	return nil
}

// Security returns the security of the link. That of the link of a proxy is known after a
// Pair on the link alone.
func (c *Client) Security() smp.Security {
	if c.Proxied() {
		if r := c.Paired(); r != nil {
			return r.Security
		}
		return smp.Security{}
	}
	if sm := c.link.conn.SMP(); sm != nil {
		return sm.Security()
	}
	return smp.Security{}
}

// Pair pairs with the device. With o.Replace it replaces an existing bond.
func (c *Client) Pair(ctx context.Context, o *smp.PairOptions) (*smp.Result, error) {
	sm := c.link.conn.SMP()
	if sm == nil {
		return nil, controller.ErrNotSupported
	}
	pair := sm.Pair
	if c.Proxied() {
		pair = c.pairByProxy
	}
	r, err := pair(ctx, o)
	if err == nil {
		c.link.mu.Lock()
		c.link.paired = r
		c.link.mu.Unlock()
		if !c.Proxied() { // whose bond says nothing about the tables here
			c.link.renewBond()
		}
	}
	return r, err
}

// Paired returns the result of the last pairing on the link, by Establish or by Pair;
// nil if there was none, for example because a bond existed.
func (c *Client) Paired() *smp.Result {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.paired
}

// WriteSigned writes the value of a characteristic with a signed command, which
// authenticates this host to a bonded device on an unencrypted link. On an encrypted
// link it is WriteNoResponse. The bond must have been made with smp.Config.Signing.
func (c *Client) WriteSigned(ctx context.Context, svc, chr gatt.UUID, value []byte) error {
	sm := c.link.conn.SMP()
	if sm == nil || sm.Security().Encrypted {
		return c.WriteNoResponse(ctx, svc, chr, value)
	}
	_, err := heal(ctx, c, svc, chr, func(ch *gatt.Char, ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.WriteSigned(ctx, value, func(ctx context.Context, pdu []byte) ([12]byte, error) {
			s, err := sm.Sign(ctx, pdu)
			return s, err
		})
	})
	return err
}
