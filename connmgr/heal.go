package connmgr

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// Heal runs op and repairs the cause of its failure. If the device requires more security,
// Heal raises it once, with the bond or, if Options.Pair allows it, by pairing, and
// runs op again. If the error shows that the attribute table is out of date, Heal
// discovers the table anew and runs op again. op must look up its handles each time,
// in Profile or GATT. Read, Write, WriteNoResponse and Subscribe heal by themselves.
func (c *Client) Heal(ctx context.Context, op func(ctx context.Context) error) error {
	c.link.m.slots.Touch(c.Adapter(), c.Address().MAC.String())
	table := c.link.presentTable()
	err := op(ctx)
	if raise := c.raiseSecurity(err); raise != nil {
		if e := raise(ctx); e != nil {
			return errors.Join(e, err)
		}
		table = c.link.presentTable()
		err = op(ctx)
	}
	if errors.Is(err, att.CodeInvalidHandle) && !c.isStale(err) {
		// Perhaps the device is starting its server again, and forgets the subscriptions.
		return errors.Join(err, c.GATT().ProveSubscriptions(ctx))
	}
	if err == nil || !c.isStale(err) {
		return err
	}
	c.link.m.log.Debug("cached table is not the device's any more", "address", c.Address(), "error", err)
	if e := c.link.repairTable(ctx, table); e != nil {
		return errors.Join(err, e)
	}
	c.link.restoreGuard(ctx)
	return op(ctx)
}

// heal finds a characteristic and runs op on it, both under Heal.
func heal[T any](ctx context.Context, c *Client, svc, chr gatt.UUID, op func(*gatt.Char, context.Context) (T, error)) (v T, err error) {
	err = c.Heal(ctx, func(ctx context.Context) error {
		ch, err := c.GATT().Char(ctx, svc, chr)
		if err == nil {
			v, err = op(ch, ctx)
		}
		return err
	})
	return v, err
}

// isStale reports whether err may come from an attribute table that is out of date. So may
// one without a service: the device was still starting.
func (c *Client) isStale(err error) bool {
	if errors.Is(err, gatt.ErrStale) || errors.Is(err, att.CodeDatabaseOutOfSync) {
		return true
	}
	if c.link.isEmpty() && errors.Is(err, gatt.ErrNotFound) {
		return true
	}
	if !c.Cached() {
		return false
	}
	return errors.Is(err, att.CodeInvalidHandle) || errors.Is(err, att.CodeAttributeNotFound) ||
		errors.Is(err, gatt.ErrNotFound) || errors.Is(err, gatt.ErrNoCCCD) || errclass.Of(err).Action.Has(errclass.Rediscover)
}
