package hci

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

// Exec sends a command that is answered by Command Complete and returns its
// return parameters. An error is a *CommandError; a status other than success
// is found in it by errors.Is. When ctx ends first, Exec returns at once: a
// command that has not been sent by then never is. Not for the loop.
func Exec[R any](ctx context.Context, d *Device, cmd Command[R]) (R, error) {
	return wait(ctx, d, cmd, func(c *core, wanted func() bool, done func(R, error)) {
		submit(c, cmd, wanted, func(_ time.Time, ret []byte, err error) { decode(cmd, ret, err, done) })
	})
}

// Start sends a command that is answered by Command Status and returns once
// the controller has accepted it; see Exec. What comes of it is reported by an
// event, which the Device's own methods for the procedure wait for.
func Start(ctx context.Context, d *Device, p Procedure) error {
	_, err := wait(ctx, d, p, func(c *core, wanted func() bool, done func(None, error)) {
		submit(c, p, wanted, func(_ time.Time, _ []byte, err error) { done(None{}, err) })
	})
	return err
}

// exec is Exec for the loop.
func exec[R any](c *core, cmd Command[R], done func(R, error)) {
	c.run(cmd, func(_ time.Time, ret []byte, err error) { decode(cmd, ret, err, done) })
}

func decode[R any](cmd Command[R], ret []byte, err error, done func(R, error)) {
	var v R
	if err == nil {
		r := wire.NewReader(ret)
		v = cmd.readReturn(&r)
		if e := r.Err(); e != nil {
			err = &CommandError{cmd.Opcode(), fmt.Errorf("return parameters: %w", e)}
		}
	}
	done(v, err)
}

func submit(c *core, p Params, wanted func() bool, done func(time.Time, []byte, error)) {
	packet, err := AppendCommand(nil, p)
	if err != nil {
		done(c.now, nil, err)
		return
	}
	c.submit(&command{op: p.Opcode(), packet: packet, wanted: wanted, done: done})
}

// wait posts start to the loop and waits for what it passes to done.
func wait[R any](ctx context.Context, d *Device, p Params, start func(c *core, wanted func() bool, done func(R, error))) (R, error) {
	var gone atomic.Bool
	var zero R
	if ctx.Err() != nil {
		return zero, &CommandError{p.Opcode(), context.Cause(ctx)}
	}
	ch := make(chan reply[R], 1)
	posted := d.Post(loop.Func(func(time.Time) {
		start(&d.core, func() bool { return !gone.Load() }, func(v R, err error) { ch <- reply[R]{v, err} })
	}))
	if posted {
		select {
		case r := <-ch:
			return r.v, r.err
		case <-d.done:
		case <-ctx.Done():
			select {
			case r := <-ch:
				return r.v, r.err
			default:
				gone.Store(true)
				return zero, &CommandError{p.Opcode(), context.Cause(ctx)}
			}
		}
	}
	select {
	case r := <-ch:
		return r.v, r.err
	default:
		return zero, &CommandError{p.Opcode(), d.Err()}
	}
}
