package controller

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// reply is what a waiting caller gets from the loop.
type reply[T any] struct {
	v   T
	err error
}

// ask runs f on the loop and returns what it passes to done, which it calls at
// most once. If the device or ctx ends first, the error is what wrap makes of
// the cause; a result that is there is preferred to either. The commands of f
// are to be sent while wanted holds: nothing goes out for a caller who has left.
func askLoop[R any](ctx context.Context, c *core, wrap func(error) error, f func(wanted func() bool, done func(R, error))) (R, error) {
	var zero R
	if ctx.Err() != nil {
		return zero, wrap(context.Cause(ctx))
	}
	var gone atomic.Bool
	ch := make(chan reply[R], 1)
	// A loop that takes no more tasks is about to end, which says why.
	c.post(loop.Func(func(time.Time) {
		f(func() bool { return !gone.Load() }, func(v R, err error) { ch <- reply[R]{v, err} })
	}))
	select {
	case r := <-ch:
		return r.v, r.err
	case <-c.closed:
	case <-ctx.Done():
	}
	select {
	case r := <-ch:
		return r.v, r.err
	default:
	}
	select {
	case <-c.closed:
		return zero, wrap(c.err) // the loop has ended
	default:
		gone.Store(true)
		return zero, wrap(context.Cause(ctx))
	}
}

// during makes a context's cause say what it interrupted. The end of the device
// says enough of itself.
func wrapDuring(ctx context.Context, what string) func(error) error {
	return func(err error) error {
		if ctx.Err() == nil {
			return err
		}
		return fmt.Errorf("controller: %s: %w", what, err)
	}
}

// commandFailed returns what turns an error into that of the command op.
func commandFailed(op hci.Opcode) func(error) error {
	return func(err error) error { return &CommandError{op, err} }
}
