package connmgr

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// establisher is the loop over the attempts of one Establish. It knows no adapters; try
// makes an attempt.
type establisher struct {
	name    string
	address hci.Addr
	policy  Policy
	// try makes attempt number n, and returns the phase and the adapter it reached.
	try func(ctx context.Context, n int) (c *Client, at Attempt)
	// awaitAdapter waits until an adapter is up.
	awaitAdapter func(ctx context.Context, p *Policy) error
	// remedy takes the actions of the class of a failure before the next attempt.
	remedy func(ctx context.Context, at *Attempt, p *Policy) (differs, again bool)
	// onAir reports whether the device is there, after an attempt has failed.
	onAir func(at *Attempt) bool
	// wake returns a channel that ends the wait after a failed attempt early.
	wake func(at *Attempt) (<-chan struct{}, func())
	// failed is called after each failed attempt; last says that no other one follows.
	failed func(at *Attempt, last bool)
	emit   func(Event)
	log    func(msg string, args ...any)
}

// safetyError ends an attempt that takes longer than Policy.SafetyTimeout.
type safetyError struct{ after time.Duration }

func (e safetyError) Error() string { return fmt.Sprintf("attempt took longer than %v", e.after) }

// Unwrap marks the error as a timeout.
func (safetyError) Unwrap() error { return context.DeadlineExceeded }

// deadlineError ends an Establish that takes longer than Options.Timeout.
type deadlineError struct{ after time.Duration }

func (e deadlineError) Error() string { return fmt.Sprintf("not connected within %v", e.after) }

// Unwrap marks the error as a timeout.
func (deadlineError) Unwrap() error { return context.DeadlineExceeded }

// makeAttempts makes attempts until one succeeds, the policy allows no more, or ctx
// ends.
func (e *establisher) makeAttempts(ctx context.Context) (*Client, error) {
	var failed []Attempt
	tally := newTally(&e.policy)
	for {
		number := len(failed) + 1
		e.log("connecting", "name", e.name, "address", e.address.MAC, "attempt", number)
		c, at := e.makeAttempt(ctx, number)
		if at.Err == nil {
			e.log("connected", "name", e.name, "address", e.address.MAC, "attempt", number)
			return c, nil
		}
		if at.Address == (hci.Addr{}) {
			at.Address = e.address
		}
		failed = append(failed, at)
		last := &failed[number-1]
		if ctx.Err() != nil {
			e.record(last, true)
			return nil, e.endedError(ctx, failed)
		}
		onAir := e.onAir != nil && e.onAir(last)
		more := !last.hopeless && tally.enterFailure(last, onAir)
		e.record(last, !more)
		e.emit(AttemptFailed{
			Time: time.Now(), Name: e.name, Address: last.Address, Adapter: last.Adapter, Attempt: number,
			Phase: last.Phase, Err: last.Err, Class: last.Class, Backoff: last.Backoff, Last: !more,
		})
		e.log("failed to connect", "name", e.name, "address", e.address.MAC, "attempt", number,
			"error", last.Err, "class", last.Class.Row, "backing off", last.Backoff)
		if e.waitBackoff(ctx, last) != nil {
			return nil, e.endedError(ctx, failed)
		}
		if !more {
			return nil, e.makeError(failed, last.Err, last.Class)
		}
	}
}

func (e *establisher) record(at *Attempt, last bool) {
	if e.failed != nil {
		e.failed(at, last)
	}
}

// makeAttempt waits for an adapter and makes one attempt within the safety timeout, with
// the immediate redials that the class of its failure allows.
func (e *establisher) makeAttempt(ctx context.Context, number int) (*Client, Attempt) {
	begin := time.Now()
	if e.awaitAdapter != nil {
		if err := e.awaitAdapter(ctx, &e.policy); err != nil {
			return nil, Attempt{Phase: PhasePath, Err: err, Class: e.policy.classify(err, nil), Duration: time.Since(begin), hopeless: true}
		}
		begin = time.Now()
	}
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
		at.Duration = time.Since(begin)
		if at.Situation != nil {
			at.Situation.Elapsed = at.Duration
		}
		at.Class = e.policy.classify(at.Err, at.Situation)
		if actx.Err() != nil {
			return nil, at
		}
		again := false
		if e.remedy != nil {
			at.differs, again = e.remedy(actx, &at, &e.policy)
		}
		redial := at.Class.Redial
		if !again && redials[at.Class.Row] >= redial.Times {
			return nil, at
		}
		redials[at.Class.Row]++
		e.log("dialing again", "name", e.name, "address", e.address.MAC, "error", at.Err)
		if sleep(actx, redial.Wait) != nil && actx.Err() != nil {
			return nil, at
		}
	}
}

// waitBackoff waits after a failed attempt. Unless the policy forbids waking, it returns
// early when the reason to wait may be gone.
func (e *establisher) waitBackoff(ctx context.Context, at *Attempt) error {
	if at.Backoff <= 0 {
		return nil
	}
	var woken <-chan struct{}
	if !e.policy.NoWake && e.wake != nil {
		ch, stop := e.wake(at)
		defer stop()
		woken = ch
	}
	t := time.NewTimer(at.Backoff)
	defer t.Stop()
	select {
	case <-t.C:
	case <-woken:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// endedError returns the error of an Establish that ctx has ended. Its category is
// canceled or, after Options.Timeout, that of the last failure.
func (e *establisher) endedError(ctx context.Context, failed []Attempt) error {
	c := errclass.Class{Category: errclass.Canceled}
	if over, ok := errors.AsType[deadlineError](context.Cause(ctx)); ok {
		last := failed[len(failed)-1]
		c = e.policy.classify(unfinished(last.Phase), last.Situation)
		for _, at := range failed {
			// The attempt that the deadline cut short has no class of its own.
			if at.Class.Category != errclass.Canceled && !errors.Is(at.Err, over) {
				c = at.Class
			}
		}
	}
	return e.makeError(failed, context.Cause(ctx), c)
}

// unfinished returns the error that an attempt would have ended with in a phase, had it
// not been cut short.
func unfinished(p Phase) error {
	switch p {
	case PhaseSlot:
		return errNoSlot
	case PhasePath:
		return fmt.Errorf("%w: %w", ErrNoAdapter, syscall.ENODEV)
	case PhaseDial:
		return controller.ErrDialTimeout
	case PhaseSecure, PhaseDiscover, PhaseReady:
	}
	return context.DeadlineExceeded
}

// makeError returns the error of an Establish that has failed.
func (e *establisher) makeError(failed []Attempt, cause error, c errclass.Class) error {
	return &EstablishError{
		Name: e.name, Address: failed[len(failed)-1].Address, Attempts: failed,
		Category: categoryError(c.Category), Err: cause, Advice: c.Advice,
	}
}
