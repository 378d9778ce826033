package connmgr

import (
	"context"
	"errors"
)

// Heal runs op. If it fails for want of security, that is raised once, by the
// bond or, with Options.Pair, by pairing, and op run again. If it fails as
// operations do whose handles are not the device's any more, the table in use
// is dropped, discovered anew, and op run once more. It is for operations by
// handle; Read, Write and Subscribe do the same by themselves. op has to look
// its handles up again, in Profile or GATT.
func (c *Client) Heal(ctx context.Context, op func(ctx context.Context) error) error {
	c.link.m.slots.Touch(c.Adapter(), c.Address().MAC.String())
	err := op(ctx)
	if raise := c.raiseSecurity(err); raise != nil {
		if e := raise(ctx); e != nil {
			return errors.Join(e, err)
		}
		err = op(ctx)
	}
	if err == nil || !c.isStale(err) {
		return err
	}
	c.link.m.log.Debug("cached table is not the device's any more", "address", c.Address(), "error", err)
	if e := c.link.rediscover(ctx); e != nil {
		return errors.Join(err, e)
	}
	return op(ctx)
}
