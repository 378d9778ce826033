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

// ErrNoCCCD means that a characteristic has no Client Characteristic
// Configuration, so that notifications cannot be enabled. Values that the peer
// sends by itself can be received: see SubscribeOptions.Listen.
var ErrNoCCCD = errors.New("no client characteristic configuration descriptor")

// cccdState is the state of one Client Characteristic Configuration of the peer.
// All subscriptions to the characteristic share it; its value is the union of
// their bits.
type cccdState struct {
	ch   *Char // one of those that share it: the condition of its requests
	gate gate  // guards all below

	subs   []*Subscription
	pinned uint16 // bits that are set without a subscription
	handle att.Handle
	held   uint16 // the value at the peer
	sure   bool   // held is certain: the peer has confirmed it
	// renewed reports that the service has changed on this link. The peer may
	// have kept the configuration or not.
	renewed bool
}

// wanted returns the value that the peer should hold.
func (s *cccdState) wanted() uint16 {
	bits := s.pinned
	for _, sub := range s.subs {
		bits |= sub.bits
	}
	return bits
}

// cccd returns the state that all Chars of the characteristic share.
func (ch *Char) cccd() *cccdState {
	c := ch.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.cccds[ch.info.Value]
	if s == nil || c.changes.Load().touched(s.ch.gen, s.ch.within) {
		s = &cccdState{ch: ch, gate: newGate(), renewed: s != nil}
		c.cccds[ch.info.Value] = s
	}
	return s
}

// configure sets bits in the peer's configuration. If sub is not nil, it is
// registered before the request is sent, so that it misses no value. Without
// bits, sub is registered alone. kept reports that the peer has had the bits all the
// time.
func (ch *Char) configure(ctx context.Context, sub *Subscription, bits uint16) (kept bool, err error) {
	if err := ch.Check(); err != nil {
		return false, err
	}
	if err := ch.c.prove(ctx, ch, ch.info.Value); err != nil {
		return false, err
	}
	s := ch.cccd()
	if err := s.gate.enter(ctx, ch.c); err != nil {
		return false, err
	}
	defer s.gate.leave()
	if bits == 0 {
		s.subs = append(s.subs, sub)
		return true, ch.c.onLoop(func(now time.Time) { ch.c.values.subscribe(now, sub) })
	}
	if s.handle == att.HandleNone {
		ds, err := ch.Descriptors(ctx)
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(ds, func(d Descriptor) bool { return d.UUID == UUID16(typeCCCD) })
		if i < 0 {
			return false, fmt.Errorf("gatt: characteristic %s: %w", ch.info.UUID, ErrNoCCCD)
		}
		s.handle = ds[i].Handle
	}
	if err := ch.c.prove(ctx, ch, s.handle); err != nil {
		return false, err
	}
	if sub != nil {
		if err := ch.c.onLoop(func(now time.Time) { ch.c.values.subscribe(now, sub) }); err != nil {
			return false, err
		}
	}
	if sub == nil && s.renewed {
		if err := ch.readCCCD(ctx, s, s.wanted()|bits); err != nil {
			return false, err
		}
	}
	kept = s.holds(s.wanted() | bits)
	if err := ch.writeCCCD(ctx, s, s.wanted()|bits); err != nil {
		if sub != nil {
			// An error means that the link has ended, and all subscriptions with
			// it.
			_ = ch.c.onLoop(func(time.Time) { ch.c.values.unsubscribe(sub) })
		}
		return false, err
	}
	if sub == nil {
		s.pinned |= bits
	} else {
		s.subs = append(s.subs, sub)
	}
	return kept, nil
}

// unconfigure removes a subscription and clears the bits that no other one
// needs.
func (ch *Char) unconfigure(sub *Subscription) error {
	if err := ch.c.onLoop(func(time.Time) { ch.c.values.unsubscribe(sub) }); err != nil {
		return nil // the link has ended
	}
	s := ch.cccd()
	ctx := context.Background() // bounded by the transaction timeout of 30 seconds
	if err := s.gate.enter(ctx, ch.c); err != nil {
		return nil // the link has ended
	}
	defer s.gate.leave()
	i := slices.Index(s.subs, sub)
	if i < 0 {
		return nil // the table has changed, and the peer has forgotten the subscription
	}
	s.subs = slices.Delete(s.subs, i, i+1)
	if sub.bits == 0 {
		return nil
	}
	err := ch.writeCCCD(ctx, s, s.wanted())
	if errors.Is(err, ErrStale) || ch.c.b.Err() != nil {
		return nil
	}
	return err
}

// holds reports whether the peer is known to hold bits.
func (s *cccdState) holds(bits uint16) bool { return s.sure && s.held == bits }

// readCCCD finds out whether the peer holds bits, which it may have forgotten, so
// that they need not be written: some peers indicate a change whenever Service
// Changed is enabled. A peer that refuses the request is not known to hold them.
// The caller must hold the gate.
func (ch *Char) readCCCD(ctx context.Context, s *cccdState, bits uint16) error {
	rsp, err := do(ctx, ch.c, ch, att.ReadReq{Handle: s.handle})
	var refused *att.Error
	if err != nil && (!errors.As(err, &refused) || errors.Is(err, ErrStale)) {
		return err
	}
	s.renewed, s.sure = false, false
	v := wire.NewReader(rsp.Value)
	if held := v.U16(); err == nil && v.Finish() == nil && held&bits == bits {
		s.held, s.sure = bits, true
	}
	return nil
}

// writeCCCD writes the configuration unless the peer is known to hold bits. The
// caller must hold the gate.
func (ch *Char) writeCCCD(ctx context.Context, s *cccdState, bits uint16) error {
	if s.holds(bits) {
		return nil
	}
	before := s.wanted()
	err := ch.c.writeOnce(ctx, ch, s.handle, wire.AppendU16(nil, bits))
	var refused *att.Error
	switch {
	case err == nil:
		s.held, s.sure = bits, true
	case errors.As(err, &refused):
		// The peer still holds the previous value.
	default:
		// The peer may hold either value. Restore the previous one without
		// waiting, and write again next time in any case.
		s.sure = false
		if ctx.Err() != nil && ch.Check() == nil {
			att.Detach(ch.c.b, att.WriteReq{Handle: s.handle, Value: wire.AppendU16(nil, before)})
		}
	}
	return err
}
