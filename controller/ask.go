package controller

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// reply is the result that the loop sends to a waiting caller.
type reply[T any] struct {
	v   T
	err error
}

// askLoop runs f on the loop and returns the result that f passes to done. f must
// call done at most once. If ctx or the Controller ends before that, the error is
// wrap applied to the cause. f passes wanted on to runCommandIf: it returns false
// once the caller has left, so that no command is sent on its behalf.
func askLoop[R any](ctx context.Context, c *core, wrap func(error) error, f func(wanted func() bool, done func(R, error))) (R, error) {
	var zero R
	if ctx.Err() != nil {
		return zero, wrap(context.Cause(ctx))
	}
	var gone atomic.Bool
	ch := make(chan reply[R], 1)
	// If the loop accepts no more tasks, the Controller is about to end, and closed
	// below wakes this call.
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

// wrapDuring returns a wrap for askLoop that prepends what the caller was doing
// to the cause of ctx. The error that ended the Controller needs no such prefix.
func wrapDuring(ctx context.Context, what string) func(error) error {
	return func(err error) error {
		if ctx.Err() == nil {
			return err
		}
		return fmt.Errorf("controller: %s: %w", what, err)
	}
}

// commandFailed returns a wrap for askLoop that makes a *CommandError of op.
func commandFailed(op hci.Opcode) func(error) error {
	return func(err error) error { return &CommandError{op, err} }
}
