package gatt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// ErrNoCCCD says that a characteristic has no client characteristic
// configuration descriptor, so that its notifications cannot be asked for.
var ErrNoCCCD = errors.New("no client characteristic configuration descriptor")

// cccdState is what we want from, and know of, one client characteristic
// configuration. All subscriptions to the characteristic share it; it holds what
// any of them needs.
type cccdState struct {
	within att.HandleRange // of the service
	gen    uint64          // of the table that it is of
	gate   gate            // guards all below

	subs   []*Subscription
	pinned uint16 // needed by no subscription
	handle att.Handle
	held   uint16 // by the peer
	sure   bool   // held is known: the peer has said that it took it
}

// wanted returns what the peer should hold.
func (s *cccdState) wanted() uint16 {
	bits := s.pinned
	for _, sub := range s.subs {
		bits |= sub.bits
	}
	return bits
}

// cccd returns the state shared by all handles on the characteristic.
func (ch *Char) cccd() *cccdState {
	c := ch.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.cccds[ch.info.Value]
	if s == nil || c.changes.Load().touched(s.gen, s.within) {
		s = &cccdState{within: ch.within, gen: ch.gen, gate: newGate()}
		c.cccds[ch.info.Value] = s
	}
	return s
}

// configure has the peer hold bits, and sub, if not nil, receive from before the
// peer can know of that.
func (ch *Char) configure(ctx context.Context, sub *Subscription, bits uint16) error {
	if err := ch.Check(); err != nil {
		return err
	}
	s := ch.cccd()
	if err := s.gate.enter(ctx, ch.c); err != nil {
		return err
	}
	defer s.gate.leave()
	if s.handle == att.HandleNone {
		ds, err := ch.Descriptors(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(ds, func(d Descriptor) bool { return d.UUID == UUID16(typeCCCD) })
		if i < 0 {
			return fmt.Errorf("gatt: characteristic %s: %w", ch.info.UUID, ErrNoCCCD)
		}
		s.handle = ds[i].Handle
	}
	if sub != nil {
		if err := ch.c.onLoop(func(time.Time) { ch.c.values.subscribe(sub) }); err != nil {
			return err
		}
	}
	if err := ch.writeCCCD(ctx, s, s.wanted()|bits); err != nil {
		if sub != nil {
			// An error means that the link is gone, and all subscriptions with it.
			_ = ch.c.onLoop(func(time.Time) { ch.c.values.unsubscribe(sub) })
		}
		return err
	}
	if sub == nil {
		s.pinned |= bits
	} else {
		s.subs = append(s.subs, sub)
	}
	return nil
}

// unconfigure takes a subscription away and has the peer hold what the others
// need.
func (ch *Char) unconfigure(sub *Subscription) error {
	if err := ch.c.onLoop(func(time.Time) { ch.c.values.unsubscribe(sub) }); err != nil {
		return nil // the link has ended
	}
	s := ch.cccd()
	ctx := context.Background() // the rule of 30 seconds is the limit
	if err := s.gate.enter(ctx, ch.c); err != nil {
		return nil // the same
	}
	defer s.gate.leave()
	i := slices.Index(s.subs, sub)
	if i < 0 {
		return nil // of a table that has changed: the peer has forgotten
	}
	s.subs = slices.Delete(s.subs, i, i+1)
	err := ch.writeCCCD(ctx, s, s.wanted())
	if errors.Is(err, ErrStale) || ch.c.b.Err() != nil {
		return nil
	}
	return err
}

// writeCCCD has the peer hold bits unless it is known that it does. The caller
// holds the gate.
func (ch *Char) writeCCCD(ctx context.Context, s *cccdState, bits uint16) error {
	if s.sure && s.held == bits {
		return nil
	}
	before := s.wanted()
	err := ch.c.writeOnce(ctx, ch, s.handle, wire.AppendU16(nil, bits))
	var refused *att.Error
	switch {
	case err == nil:
		s.held, s.sure = bits, true
	case errors.As(err, &refused):
		// The peer holds what it held before.
	default:
		// It may hold either. What the others need is written again, though
		// nobody waits for it, and the next one asks in any case.
		s.sure = false
		if ctx.Err() != nil && ch.Check() == nil {
			att.Detach(ch.c.b, att.WriteReq{Handle: s.handle, Value: wire.AppendU16(nil, before)})
		}
	}
	return err
}
