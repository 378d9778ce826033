package gatt

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoEnhanced means that the peer does not support enhanced bearers.
var ErrNoEnhanced = errors.New("no enhanced bearers")

// featureServerEnhanced is the bit of Server Supported Features for enhanced
// bearers (Vol 3, Part G, 7.4).
const featureServerEnhanced = 0x01

// Enhance makes the client use up to n enhanced bearers, 1 to 5, beside the
// unenhanced one, and returns their number: as many requests at a time as there
// are bearers. It needs an encrypted link. If the peer supports them, the client
// announces the same, has them opened, and proves each by one read: see
// [att.Bearer.ProveEnhanced]. Bearers that the peer has opened count too. The error
// wraps ErrNoEnhanced if the peer does not support them. With any error, the link
// goes on with the bearers that it has.
//
// Requests for one attribute keep their order if one of them writes. Calls that
// have no such order may be answered in another one.
func (c *Client) Enhance(ctx context.Context, n int) (int, error) {
	err := c.enhance(ctx, n)
	if err != nil {
		err = fmt.Errorf("gatt: enhanced bearers: %w", err)
	}
	return c.b.EnhancedBearers(), err
}

func (c *Client) enhance(ctx context.Context, n int) error {
	switch {
	case n < 1 || n > 5:
		return fmt.Errorf("%d of them: ask for 1 to 5", n)
	case c.cfg.OpenBearers == nil:
		return fmt.Errorf("%w: ClientConfig.OpenBearers is nil", ErrNoEnhanced)
	case c.b.EnhancedErr() != nil:
		return c.b.EnhancedErr()
	}
	ch, err := c.Char(ctx, UUID16(typeGenericAttribute), UUID16(typeServerSupportedFeatures))
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrNoEnhanced, err)
	}
	if err != nil {
		return err
	}
	v, err := ch.Read(ctx)
	if err != nil {
		return err
	}
	if len(v) == 0 || v[0]&featureServerEnhanced == 0 {
		return fmt.Errorf("%w: Server Supported Features is % x", ErrNoEnhanced, v)
	}
	if err := c.writeFeatures(ctx, clientFeatures|featureEnhanced); err != nil {
		return err
	}
	// With an error, some may have opened.
	err = c.cfg.OpenBearers(ctx, n)
	return errors.Join(err, c.b.ProveEnhanced(ctx, ch.info.Value))
}
