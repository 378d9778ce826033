package connmgr

import (
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/errclass"
)

// ReadyError is the error of an attempt whose Options.Ready has failed. It unwraps to
// the error of that function.
type ReadyError struct{ Err error }

// Error returns the error of the function, after the words "not ready".
func (e *ReadyError) Error() string { return fmt.Sprintf("not ready: %v", e.Err) }

// Unwrap returns Err.
func (e *ReadyError) Unwrap() error { return e.Err }

// checkReady runs the check of the program. If that does not return, since it panics or
// ends its goroutine, the link is ended in the background: nobody else would do so.
func (x *attempts) checkReady(ctx context.Context, c *Client) error {
	if x.opts.Ready == nil {
		return nil
	}
	x.call.enterPhase(PhaseReady, c.Adapter())
	returned := false
	defer func() {
		if !returned && c.link.leaveLink(c) {
			x.m.tasks.Go(func() { _ = c.link.shutLink() })
		}
	}()
	err := x.opts.Ready(ctx, c)
	returned = true
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &ReadyError{err}
	}
	return nil
}

// classifyReady returns the class of a check that has failed. An error of the stack keeps
// its class: the check has used the Client.
func (p *Policy) classifyReady(e *ReadyError, in *errclass.Situation) errclass.Class {
	if !isOwnFailure(e) {
		return p.Treatment.Classify(e.Err, in)
	}
	c := p.Treatment.Classify(errUnknownCheck, in)
	c.Row, c.Category, c.Advice = "not ready", errclass.Connection, adviceCheck
	return c
}

const adviceCheck = "the connection works: see the error of the program's own check (Options.Ready), which refuses it"

// errUnknownCheck has no row in the table of errors.
var errUnknownCheck = errors.New("check of the program failed")

// isOwnFailure reports whether an attempt has failed for a reason of the program's own: its
// check has returned an error that is not the stack's, such as EPIPE of a socket, or that of
// an Establish to another device. Such an error says nothing about this device, its link or
// its adapter, whatever it wraps.
func isOwnFailure(err error) bool {
	e, ok := errors.AsType[*ReadyError](err)
	if !ok {
		return false
	}
	_, other := errors.AsType[*EstablishError](e.Err)
	_, missing := errors.AsType[*MissingError](e.Err)
	return other || !missing && !errclass.FromStack(e.Err)
}
