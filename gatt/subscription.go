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

// ErrNotSubscribable means that a characteristic neither notifies nor indicates.
var ErrNotSubscribable = errors.New("neither notifies nor indicates")

// SubscribeOptions are options of Char.Subscribe. Nil and zero fields mean the
// defaults.
type SubscribeOptions struct {
	// Indicate selects indications if the characteristic supports both; the
	// default is notifications. If it supports only one, that is used.
	Indicate bool
	// Listen receives the values that the peer sends by itself, and writes
	// nothing: for peers that notify without a Client Characteristic
	// Configuration, and characteristics that do not declare it. If the peer has
	// to be asked, values come only while another subscription exists.
	Listen bool
	// Queue is the number of values that are queued for a slow receiver. 0 means
	// 64; a negative value means 1.
	Queue int
}

func (o *SubscribeOptions) queue() int {
	if o.Queue == 0 {
		return 64
	}
	return max(o.Queue, 1)
}

// bits returns the bits to set in the Client Characteristic Configuration.
func (o *SubscribeOptions) bits(p Properties) uint16 {
	switch {
	case o.Listen:
		return 0
	case p.Has(PropIndicate) && (o.Indicate || !p.Has(PropNotify)):
		return cccdIndicate
	case p.Has(PropNotify):
		return cccdNotify
	}
	return 0
}

// Subscription receives the notifications or indications of a characteristic.
// Several subscriptions to one characteristic are independent: each receives
// every value.
//
// Values are queued, by default up to 64. If the queue is full, a notification
// replaces the oldest one, and the next Value reports the number of lost ones.
// Indications are never lost: each is confirmed once the queue has room for it;
// the peer ends the link if that takes more than 30 seconds.
//
// A subscription ends with Close, with the link, with ErrStale after a change of the
// service, or with ErrForgotten by Client.ProveSubscriptions. Its methods may be called
// from any goroutine but the loop.
type Subscription struct {
	ch     *Char
	bits   uint16 // that it needs in the configuration; 0 if it only listens
	queue  *valueQueue
	closed atomic.Bool
}

// Subscribe enables notifications or indications. Every value that arrives after
// the peer has accepted the subscription is delivered. Values that arrived before
// the first subscription on this link come first, as far as they are among the
// last 16 and no older than a minute; Value.Time tells their age. opts may be nil.
//
// Subscribe writes the Client Characteristic Configuration unless another
// subscription has already done so. The error wraps ErrNoCCCD if there is none;
// see SubscribeOptions.Listen. An error does not affect other subscriptions.
func (ch *Char) Subscribe(ctx context.Context, opts *SubscribeOptions) (*Subscription, error) {
	if opts == nil {
		opts = &SubscribeOptions{}
	}
	bits := opts.bits(ch.info.Properties)
	if bits == 0 && !opts.Listen {
		return nil, fmt.Errorf("gatt: characteristic %s (%s): %w", ch.info.UUID, ch.info.Properties, ErrNotSubscribable)
	}
	s := &Subscription{ch: ch, bits: bits, queue: newValueQueue(opts.queue())}
	if _, err := ch.configure(ctx, s, bits); err != nil {
		return nil, err
	}
	return s, nil
}

// Char returns the characteristic.
func (s *Subscription) Char() *Char { return s.ch }

// Err returns the reason for the end of the subscription; nil before it. Values may
// still be queued then.
func (s *Subscription) Err() error {
	if err := s.queue.reason(); err != nil {
		return err
	}
	if err := s.ch.c.b.Err(); err != nil {
		return err
	}
	return s.ch.Check()
}

// Next waits for the oldest value and removes it. It prefers a value to the end
// of ctx, and to the end of the subscription, which it reports when no value is
// left.
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
		// Values that arrived before the end come first.
		if v, ok, err := s.popValue(); ok || err != nil {
			return v, err
		}
		return Value{}, end
	}
}

func (s *Subscription) popValue() (v Value, ok bool, err error) {
	v, ok, resume, err := s.queue.popValue()
	if resume {
		// If Post fails, the link has ended, and no confirmation is needed.
		s.ch.c.b.Post(loop.Func(func(time.Time) { s.ch.c.values.resumeConfirming(s) }))
	}
	return v, ok, err
}

// All iterates over the values as they arrive. The last pair has the error that
// ended the iteration: the end of ctx or of the subscription. Breaking out of
// the loop does not close the subscription.
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

// Close ends the subscription. Queued values are lost, and calls of Next return
// an error that wraps net.ErrClosed. Close of the last subscription to a
// characteristic disables notifications or indications and waits for the peer's
// answer, possibly behind other requests, but for at most 5 seconds. The error
// then wraps context.DeadlineExceeded, and the peer is still told as soon as it
// answers. After the end of the link, and when called again, Close does nothing.
func (s *Subscription) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.queue.closeQueue(fmt.Errorf("gatt: subscription to %s: %w", s.ch.info.UUID, net.ErrClosed), true)
	done := make(chan error, 1)
	go func() { done <- s.ch.unconfigure(s) }() // ends with the answer, or with the link
	timeout := time.NewTimer(closeTimeout)
	defer timeout.Stop()
	select {
	case err := <-done:
		return err
	case <-timeout.C:
		return fmt.Errorf("gatt: subscription to %s: the peer has not answered within %v: %w",
			s.ch.info.UUID, closeTimeout, context.DeadlineExceeded)
	}
}

// closeTimeout is how long Close waits for the peer.
const closeTimeout = 5 * time.Second
