package gatt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

// ErrForgotten means that the peer has forgotten a subscription, and perhaps values
// have been lost. It must be made again.
var ErrForgotten = errors.New("the peer has forgotten the subscription")

// ProveSubscriptions asks the peer whether it still has the subscriptions of this
// client, with one read for each characteristic subscribed to. A peer whose server has
// started again on the link has forgotten them, and tells nobody. Subscriptions that the
// peer has not, or whose configuration it does not let read, end with ErrForgotten. If
// the peer has forgotten that Service Changed is enabled, it is enabled again.
//
// The table must be up to date. The error is the end of the link or of ctx.
func (c *Client) ProveSubscriptions(ctx context.Context) error {
	c.mu.Lock()
	all := slices.SortedFunc(maps.Values(c.cccds), func(a, b *cccdState) int {
		return cmp.Compare(a.ch.info.Value, b.ch.info.Value)
	})
	c.mu.Unlock()
	for _, s := range all {
		if err := s.proveBits(ctx); err != nil {
			return err
		}
	}
	return nil
}

// proveBits asks the peer for a configuration, unless its subscriptions have ended with a
// change of the service.
func (s *cccdState) proveBits(ctx context.Context) error {
	c := s.ch.c
	if err := s.gate.enter(ctx, c); err != nil {
		return err
	}
	defer s.gate.leave()
	bits := s.wanted()
	if bits == 0 || s.ch.Check() != nil {
		return nil
	}
	err := s.ch.readCCCD(ctx, s, bits)
	switch {
	case errors.Is(err, ErrStale):
		return nil
	case err != nil || s.sure:
		return err
	}
	lost := slices.Clone(s.subs)
	s.subs = slices.DeleteFunc(s.subs, func(sub *Subscription) bool { return sub.bits != 0 })
	err = c.onLoop(func(time.Time) {
		for _, sub := range lost {
			if sub.bits != 0 {
				c.values.endSubscription(sub, fmt.Errorf("gatt: characteristic %s: %w", s.ch.info.UUID, ErrForgotten))
			}
		}
	})
	if err == nil && s.pinned != 0 {
		err = s.ch.writeCCCD(ctx, s, s.pinned)
	}
	var refused *att.Error
	if errors.As(err, &refused) || errors.Is(err, ErrStale) {
		return nil
	}
	return err
}
