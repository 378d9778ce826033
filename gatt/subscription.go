package gatt

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// ErrNotSubscribable says that a characteristic neither notifies nor indicates.
var ErrNotSubscribable = errors.New("neither notifies nor indicates")

// SubscribeOptions says how a subscription is to be. Nil and zero fields are
// defaults.
type SubscribeOptions struct {
	// Indicate asks for indications from a characteristic that can do both; the
	// default is notifications. One that can do only one of them does that.
	Indicate bool
	// Queue is how many values are kept for a receiver that is slow. 0 is 64, a
	// negative value 1.
	Queue int
}

func (o *SubscribeOptions) queue() int {
	if o.Queue == 0 {
		return 64
	}
	return max(o.Queue, 1)
}

// bits returns what to ask for in the client characteristic configuration.
func (o *SubscribeOptions) bits(p Properties) uint16 {
	switch {
	case p.Has(PropIndicate) && (o.Indicate || !p.Has(PropNotify)):
		return cccdIndicate
	case p.Has(PropNotify):
		return cccdNotify
	}
	return 0
}

// Subscription receives the notifications or indications of a characteristic.
// Several subscriptions to one characteristic are independent of each other:
// each gets every value.
//
// Values wait in a queue, by default of 64. If it is full, a notification takes
// the place of the oldest, and the next Value says how many were lost.
// Indications are never lost: they are confirmed when there is room for them,
// and the peer gives the link up when that takes more than 30 seconds.
//
// A subscription ends with Close, with the link, or with ErrStale when the peer
// says that the service has changed. Its methods may be called from any
// goroutine but the loop.
type Subscription struct {
	ch     *Char
	bits   uint16
	queue  *valueQueue
	closed atomic.Bool
}

// Subscribe has the peer send the value of the characteristic whenever the peer
// sees fit. Nothing that arrives after the peer knows is missed. opts may be nil.
//
// The peer is asked when the first subscription needs it, and asked again if it
// refused before. An error ends nothing but this call.
func (ch *Char) Subscribe(ctx context.Context, opts *SubscribeOptions) (*Subscription, error) {
	if opts == nil {
		opts = &SubscribeOptions{}
	}
	bits := opts.bits(ch.info.Properties)
	if bits == 0 {
		return nil, fmt.Errorf("gatt: characteristic %s (%s): %w", ch.info.UUID, ch.info.Properties, ErrNotSubscribable)
	}
	s := &Subscription{ch: ch, bits: bits, queue: newValueQueue(opts.queue())}
	if err := ch.configure(ctx, s, bits); err != nil {
		return nil, err
	}
	return s, nil
}

// Char returns the characteristic.
func (s *Subscription) Char() *Char { return s.ch }

// Next waits for the oldest value and takes it. A value that is there wins over a
// dead ctx, and over the end of the subscription, which Next reports when no
// value is left.
func (s *Subscription) Next(ctx context.Context) (Value, error) {
	for {
		if v, ok, err := s.popValue(); ok || err != nil {
			return v, err
		}
		select {
		case <-s.queue.ready:
			continue
		case <-ctx.Done():
		case <-s.ch.c.b.Done():
		}
		end := s.ch.c.waitError(ctx)
		// What came before the end goes before it.
		if v, ok, err := s.popValue(); ok || err != nil {
			return v, err
		}
		return Value{}, end
	}
}

func (s *Subscription) popValue() (v Value, ok bool, err error) {
	v, ok, resume, err := s.queue.popValue()
	if resume {
		// If this fails the link is gone, and nobody waits for a confirmation.
		s.ch.c.b.Post(loop.Func(func(time.Time) { s.ch.c.values.resumeConfirming(s) }))
	}
	return v, ok, err
}

// All returns the values as they come. The last pair has the reason of the end,
// be it that of ctx or that of the subscription. Leaving the loop does not close
// the subscription.
func (s *Subscription) All(ctx context.Context) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for {
			v, err := s.Next(ctx)
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the subscription; values that were not taken are lost, and calls of
// Next return an error that wraps net.ErrClosed. The last subscription to a
// characteristic has the peer stop sending, and returns when the peer has
// answered, which may be after requests of others. On a link that has ended, and
// for further calls, there is nothing to do.
func (s *Subscription) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.queue.closeQueue(fmt.Errorf("gatt: subscription to %s: %w", s.ch.info.UUID, net.ErrClosed), true)
	return s.ch.unconfigure(s)
}
