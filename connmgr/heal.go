package connmgr

import (
	"context"
	"errors"
)

// Heal runs op and repairs what made it fail. If the device requires more security,
// Heal raises it once, with the bond or, if Options.Pair allows it, by pairing, and
// runs op again. If the error shows that the attribute table is out of date, Heal
// discovers the table anew and runs op again. op must look up its handles each time,
// in Profile or GATT. Read, Write, WriteNoResponse and Subscribe heal by themselves.
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
