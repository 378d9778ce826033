package l2cap

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// result is the loop's reply to a waiting caller.
type result[T any] struct {
	v   T
	err error
}

// callLoop runs f on the loop and waits for the value that f passes to reply,
// now or later, at most once. It does not run f if the link is down or ctx has
// ended.
func callLoop[T any](ctx context.Context, m *Mux, f func(now time.Time, reply func(T, error))) (T, error) {
	ch := make(chan result[T], 1)
	postCall(ctx, m, ch, func(now time.Time) {
		f(now, func(v T, err error) { ch <- result[T]{v, err} })
	})
	return awaitReply(ctx, m, ch)
}

// postCall runs f on the loop unless ctx has ended. If the link is down, it
// sends that error to ch instead.
func postCall[T any](ctx context.Context, m *Mux, ch chan<- result[T], f func(now time.Time)) {
	if ctx.Err() != nil {
		return
	}
	ok := m.link.Post(loop.Func(func(now time.Time) {
		if m.dead != nil {
			ch <- result[T]{err: m.dead}
			return
		}
		f(now)
	}))
	if !ok {
		ch <- result[T]{err: linkDown(m.link.Err())}
	}
}

// awaitReply waits for a reply, the end of ctx or the end of the link. It
// prefers a reply to the end of the link, and that to the end of ctx.
func awaitReply[T any](ctx context.Context, m *Mux, ch <-chan result[T]) (T, error) {
	select {
	case r := <-ch:
		return r.v, r.err
	case <-ctx.Done():
	case <-m.link.Done():
	}
	end := context.Cause(ctx)
	if isClosed(m.link.Done()) {
		end = linkDown(m.link.Err())
	}
	select {
	case r := <-ch:
		return r.v, r.err
	default:
		var zero T
		return zero, end
	}
}

// linkDown returns the error of an operation that ended with its link.
func linkDown(cause error) error {
	if cause == nil {
		return ErrLinkDown
	}
	return fmt.Errorf("%w: %w", ErrLinkDown, cause)
}
