package connmgr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// establisher is one Establish: the loop over attempts. It knows nothing of
// radios; try makes an attempt.
type establisher struct {
	name    string
	address hci.Addr
	policy  Policy
	// try makes attempt number n. It returns how far it came and where.
	try func(ctx context.Context, n int) (c *Client, at Attempt)
	// wake returns a channel that ends a wait early, after a failure of class c.
	wake func(c errclass.Class) (<-chan struct{}, func())
	emit func(Event)
	log  func(msg string, args ...any)
}

// safetyError ends an attempt that takes longer than Policy.SafetyTimeout.
type safetyError struct{ after time.Duration }

func (e safetyError) Error() string { return fmt.Sprintf("attempt took longer than %v", e.after) }

// Unwrap says that it is a timeout.
func (safetyError) Unwrap() error { return context.DeadlineExceeded }

// deadlineError ends an Establish that takes longer than Options.Timeout.
type deadlineError struct{ after time.Duration }

func (e deadlineError) Error() string { return fmt.Sprintf("not connected within %v", e.after) }

// Unwrap says that it is a timeout.
func (deadlineError) Unwrap() error { return context.DeadlineExceeded }

// makeAttempts makes attempts until one succeeds, the policy allows no more, or ctx
// ends. Attempts with a Client return it at once.
func (e *establisher) makeAttempts(ctx context.Context) (*Client, error) {
	var (
		failed []Attempt
		n      counts
		waits  = e.policy.backOff()
	)
	waits.Reset()
	for {
		number := len(failed) + 1
		e.log("connecting", "name", e.name, "address", e.address.MAC, "attempt", number)
		c, at := e.makeAttempt(ctx, number)
		if at.Err == nil {
			e.log("connected", "name", e.name, "address", e.address.MAC, "attempt", number)
			return c, nil
		}
		failed = append(failed, at)
		last := &failed[number-1]
		if ctx.Err() != nil {
			return nil, e.endedError(ctx, failed)
		}
		more := n.countFailure(last.Class, &e.policy)
		if more || e.policy.WaitAfterLast && last.Class.Retried() {
			if cb, ok := waits.(ClassBackOff); ok {
				cb.Failed(last.Class)
			}
			if last.Backoff = waits.NextBackOff(); last.Backoff == backoff.Stop {
				last.Backoff, more = 0, false
			}
		}
		e.emit(AttemptFailed{
			Time: time.Now(), Name: e.name, Address: e.address, Adapter: last.Adapter, Attempt: number,
			Phase: last.Phase, Err: last.Err, Class: last.Class, Backoff: last.Backoff, Last: !more,
		})
		e.log("failed to connect", "name", e.name, "address", e.address.MAC, "attempt", number,
			"error", last.Err, "class", last.Class.Row, "backing off", last.Backoff)
		if e.waitBackoff(ctx, last.Backoff, last.Class) != nil {
			return nil, e.endedError(ctx, failed)
		}
		if !more {
			return nil, e.makeError(failed, last.Err, last.Class)
		}
	}
}

// makeAttempt makes one attempt under the safety timeout, with the redials that
// its failure may ask for.
func (e *establisher) makeAttempt(ctx context.Context, number int) (*Client, Attempt) {
	begin := time.Now()
	safety := safetyError{e.policy.SafetyTimeout}
	actx, cancel := context.WithTimeoutCause(ctx, e.policy.SafetyTimeout, safety)
	defer cancel()
	redials := map[string]int{}
	for {
		c, at := e.try(actx, number)
		if at.Err == nil {
			return c, at
		}
		if actx.Err() != nil && ctx.Err() == nil && !errors.Is(at.Err, safety) {
			at.Err = errors.Join(safety, at.Err)
		}
		at.Class = e.policy.classify(at.Err)
		at.Duration = time.Since(begin)
		redial := at.Class.Redial
		if actx.Err() != nil || redials[at.Class.Row] >= redial.Times {
			return nil, at
		}
		redials[at.Class.Row]++
		e.log("dialing again", "name", e.name, "address", e.address.MAC, "error", at.Err)
		if sleep(actx, redial.Wait) != nil && actx.Err() != nil {
			return nil, at
		}
	}
}

// waitBackoff waits for d; news of the device ends it early unless the policy says
// otherwise.
func (e *establisher) waitBackoff(ctx context.Context, d time.Duration, c errclass.Class) error {
	if d <= 0 {
		return nil
	}
	var woken <-chan struct{}
	if !e.policy.NoWake && e.wake != nil {
		ch, stop := e.wake(c)
		defer stop()
		woken = ch
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-woken:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// endedError makes the error of an Establish whose caller has had enough: canceled,
// or, if Options.Timeout is over, what the last failure says.
func (e *establisher) endedError(ctx context.Context, failed []Attempt) error {
	c := errclass.Class{Category: errclass.Canceled}
	if over, ok := errors.AsType[deadlineError](context.Cause(ctx)); ok {
		c = errclass.Of(unfinished(failed[len(failed)-1].Phase))
		for _, at := range failed {
			// The attempt that the deadline cut short says nothing of its own.
			if at.Class.Category != errclass.Canceled && !errors.Is(at.Err, over) {
				c = at.Class
			}
		}
	}
	return e.makeError(failed, context.Cause(ctx), c)
}

// unfinished returns what an attempt that was cut short in a phase had been
// waiting for.
func unfinished(p Phase) error {
	switch p {
	case PhaseSlot:
		return errNoSlot
	case PhasePath, PhaseDial:
		return controller.ErrDialTimeout
	case PhaseSecure, PhaseDiscover, PhaseSettle:
	}
	return context.DeadlineExceeded
}

// makeError makes the error of an Establish that has failed.
func (e *establisher) makeError(failed []Attempt, cause error, c errclass.Class) error {
	return &EstablishError{
		Name: e.name, Address: e.address, Attempts: failed,
		Category: categoryError(c.Category), Err: cause, Advice: c.Advice,
	}
}
