package connmgr

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/moor-ble/moor/errclass"
)

// Policy is how Establish counts failures and waits after them. Begin with
// DefaultPolicy and change what is to differ: zero counts and Backoffs mean what
// they say, one attempt and no wait.
type Policy struct {
	// Treatment is the column of the error table that holds.
	Treatment errclass.Treatment
	// MaxAttempts bounds timeouts and connect errors together; 0 allows one
	// attempt.
	MaxAttempts int
	// MaxTransients bounds transient errors, which have a budget of their own.
	MaxTransients int
	// AttemptTimeout bounds how long an attempt listens for the device; default
	// 20 s.
	AttemptTimeout time.Duration
	// SafetyTimeout bounds an attempt from its beginning to a ready Client;
	// default 60 s.
	SafetyTimeout time.Duration
	// Backoffs are the waits by class of failure.
	Backoffs errclass.Backoffs
	// WaitAfterLast waits after the failure that decides, too.
	WaitAfterLast bool
	// NoWake leaves waits as long as they are. Otherwise news of the device, of
	// a free slot or of an adapter ends them.
	NoWake bool
	// BackOff, if not nil, makes the source of waits for one Establish instead.
	// NextBackOff is asked after each failed attempt that is to be followed by
	// another; backoff.Stop ends the Establish. See ClassBackOff.
	BackOff func() backoff.BackOff
}

// DefaultPolicy returns the policy of a Manager that is not told otherwise.
func DefaultPolicy() Policy {
	return Policy{
		Treatment: errclass.Default, MaxAttempts: 4, MaxTransients: 9,
		AttemptTimeout: 20 * time.Second, SafetyTimeout: 60 * time.Second,
		Backoffs: errclass.DefaultBackoffs(),
	}
}

// UpstreamPolicy returns the constants and the counting of
// bleak-retry-connector 4.6.
func UpstreamPolicy() Policy {
	p := DefaultPolicy()
	p.Treatment, p.WaitAfterLast, p.NoWake = errclass.Upstream, true, true
	return p
}

// ClassBackOff is implemented by a backoff.BackOff that wants to know what
// failed. Failed is called before each NextBackOff.
type ClassBackOff interface {
	backoff.BackOff
	Failed(c errclass.Class)
}

// byClass is the BackOff of policies that have none: the wait of the class of
// the last failure.
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

// counts are the failures of one Establish.
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
		// The table was read from the device itself: another attempt reads the same.
		return errclass.Class{Row: "required attribute missing", Category: errclass.Connection}
	}
	return p.Treatment.Of(err)
}
