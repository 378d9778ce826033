// Package queue implements the bounded queue between a loop, which must not
// wait, and a consumer that may be slow.
package queue

import (
	"context"
	"sync"

	"github.com/moor-ble/moor/internal/ring"
)

// Ring is a FIFO queue of at most limit values. When it is full, Push drops the
// oldest value and counts it. Push never waits. One consumer at a time may call
// Next; the other methods may be called from any goroutine.
type Ring[T any] struct {
	ready chan struct{} // holds one token while Next has something to return
	limit int

	mu      sync.Mutex
	values  ring.Ring[T] // guarded by mu, as all below
	dropped uint64
	err     error
}

// New returns an empty Ring for at most limit values.
func New[T any](limit int) *Ring[T] {
	return &Ring[T]{ready: make(chan struct{}, 1), limit: limit}
}

// Push appends v; after Close it does nothing. It returns the value that it has dropped;
// full is false if there is none.
func (r *Ring[T]) Push(v T) (dropped T, full bool) {
	r.mu.Lock()
	if r.err == nil {
		if full = r.values.Len() == r.limit; full {
			dropped = r.values.Pop()
			r.dropped++
		}
		r.values.Push(v)
	}
	r.mu.Unlock()
	r.wake()
	return dropped, full
}

func (r *Ring[T]) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Close ends the queue: Next still returns the values in it, and after them err,
// which must not be nil. Only the first call has an effect.
func (r *Ring[T]) Close(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.wake()
}

// Next waits for the oldest value and removes it. It prefers a value to the end
// of ctx.
func (r *Ring[T]) Next(ctx context.Context) (T, error) {
	for {
		r.mu.Lock()
		if r.values.Len() > 0 {
			v := r.values.Pop()
			more := r.values.Len() > 0 || r.err != nil
			r.mu.Unlock()
			if more {
				r.wake()
			}
			return v, nil
		}
		err := r.err
		r.mu.Unlock()
		var zero T
		if err != nil {
			r.wake()
			return zero, err
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			return zero, context.Cause(ctx)
		}
	}
}

// Dropped returns the number of values that Push has dropped so far.
func (r *Ring[T]) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}
