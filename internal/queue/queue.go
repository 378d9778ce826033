// Package queue has the bounded queue between a loop that must not wait and a
// consumer that may be slow.
package queue

import (
	"context"
	"sync"
)

// Ring is a FIFO of at most n values. When it is full, Push drops the oldest
// value and counts it. Push never waits. One consumer at a time calls Next.
type Ring[T any] struct {
	ready chan struct{} // holds one token while there is something to see

	mu      sync.Mutex
	buf     []T // guarded by mu, as all below
	first   int
	n       int
	limit   int
	dropped uint64
	err     error
}

// New returns an empty Ring for at most limit values.
func New[T any](limit int) *Ring[T] {
	return &Ring[T]{ready: make(chan struct{}, 1), limit: limit}
}

// Push appends v; after Close it does nothing.
func (r *Ring[T]) Push(v T) {
	r.mu.Lock()
	if r.err == nil {
		r.push(v)
	}
	r.mu.Unlock()
	r.wake()
}

func (r *Ring[T]) push(v T) {
	if r.n == r.limit {
		r.pop()
		r.dropped++
	}
	if r.n == len(r.buf) {
		buf := make([]T, min(r.limit, max(8, 2*r.n)))
		for i := range r.n {
			buf[i] = r.buf[(r.first+i)%len(r.buf)]
		}
		r.buf, r.first = buf, 0
	}
	r.buf[(r.first+r.n)%len(r.buf)] = v
	r.n++
}

func (r *Ring[T]) pop() (v T) {
	var zero T
	v, r.buf[r.first] = r.buf[r.first], zero
	r.first = (r.first + 1) % len(r.buf)
	r.n--
	return v
}

func (r *Ring[T]) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Close ends the queue: what is in it can still be taken, then Next returns
// err, which must not be nil. Only the first call counts.
func (r *Ring[T]) Close(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.wake()
}

// Next waits for the oldest value and removes it. A value that is there wins
// over an ended ctx.
func (r *Ring[T]) Next(ctx context.Context) (T, error) {
	for {
		r.mu.Lock()
		if r.n > 0 {
			v := r.pop()
			more := r.n > 0 || r.err != nil
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

// Dropped returns how many values were dropped so far.
func (r *Ring[T]) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}
