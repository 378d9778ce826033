package connmgr

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/moor-ble/moor/errclass"
)

// Policy is how Establish counts failures and waits after them. Begin with
// DefaultPolicy and change single fields: zero counts and Backoffs are not defaults but
// mean one attempt and no wait.
type Policy struct {
	// Treatment selects the column of the error table.
	Treatment errclass.Treatment
	// MaxAttempts bounds the sum of timeouts and connect errors; 0 allows one attempt.
	MaxAttempts int
	// MaxTransients bounds transient errors, which are counted separately.
	MaxTransients int
	// AttemptTimeout bounds how long an attempt waits for an advertisement of the
	// device; default 20 s.
	AttemptTimeout time.Duration
	// SafetyTimeout bounds an attempt from its begin to a ready Client; default 60 s.
	SafetyTimeout time.Duration
	// Backoffs are the waits after a failure, by its class.
	Backoffs errclass.Backoffs
	// WaitAfterLast waits even after the last failure.
	WaitAfterLast bool
	// NoWake waits the full time. Otherwise a wait ends early when the device is heard, a
	// slot is released, or an adapter comes up.
	NoWake bool
	// BackOff, if not nil, makes the source of waits for one Establish, in place of
	// Backoffs. NextBackOff is called after each failed attempt that another may follow;
	// backoff.Stop ends the Establish. See ClassBackOff.
	BackOff func() backoff.BackOff
}

// DefaultPolicy returns the policy that a nil Config.Policy stands for.
func DefaultPolicy() Policy {
	return Policy{
		Treatment: errclass.Default, MaxAttempts: 4, MaxTransients: 9,
		AttemptTimeout: 20 * time.Second, SafetyTimeout: 60 * time.Second,
		Backoffs: errclass.DefaultBackoffs(),
	}
}

// UpstreamPolicy returns a policy with the constants and the counting of
// bleak-retry-connector 4.6.
func UpstreamPolicy() Policy {
	p := DefaultPolicy()
	p.Treatment, p.WaitAfterLast, p.NoWake = errclass.Upstream, true, true
	return p
}

// ClassBackOff is a backoff.BackOff that depends on the class of the failure. Failed is
// called before each NextBackOff.
type ClassBackOff interface {
	backoff.BackOff
	Failed(c errclass.Class)
}

// byClass waits as the class of the last failure demands.
type byClass struct {
	waits errclass.Backoffs
	next  time.Duration
}

func (b *byClass) Failed(c errclass.Class)    { b.next = b.waits.For(c.Delay) }
func (b *byClass) NextBackOff() time.Duration { return b.next }
func (b *byClass) Reset()                     { b.next = 0 }

func (p *Policy) backOff() backoff.BackOff {
	if p.BackOff != nil {
		return p.BackOff()
	}
	return &byClass{waits: p.Backoffs}
}

// counts is the number of failures of one Establish, by budget.
type counts struct {
	timeouts, connectErrors, transients int
}

// countFailure counts a failed attempt and reports whether another one may follow.
func (n *counts) countFailure(c errclass.Class, p *Policy) bool {
	switch c.Budget {
	case errclass.BudgetTimeout:
		n.timeouts++
	case errclass.BudgetConnect:
		n.connectErrors++
	case errclass.BudgetTransient:
		n.transients++
	case errclass.BudgetNone:
		return false
	}
	return n.timeouts+n.connectErrors < p.MaxAttempts && n.transients < p.MaxTransients
}

// classify returns the class of a failed attempt.
func (p *Policy) classify(err error) errclass.Class {
	if _, ok := errors.AsType[*MissingError](err); ok {
		// The device itself has given the table: another attempt would read the same.
		return errclass.Class{Row: "required attribute missing", Category: errclass.Connection}
	}
	if e, ok := errors.AsType[*UnreachableError](err); ok {
		return e.class()
	}
	return p.Treatment.Of(err)
}
