package connmgr

import (
	"errors"
	"fmt"
	"syscall"
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
	// MaxBackoff is the wait up to which Backoffs grow: each time that a failure of the
	// same row of the error table occurs again in one Establish, its wait doubles, from
	// at least 0.25 s. A wait grows only while the device is on air, and not if the next
	// attempt differs from the failed one. Default 4 s; 0 means that no wait grows.
	MaxBackoff time.Duration
	// MinPersistence is the time for which an Establish goes on after failures that may
	// pass, whatever their number, while the device is on air: some devices need half a
	// minute after a reset or a lost link. It applies to transient and connect errors,
	// and not if Options.MaxAttempts is set. Default 45 s; 0 means that the counts alone
	// decide.
	MinPersistence time.Duration
	// AdapterTimeout bounds the wait for an adapter while none of those that may be used
	// is up, as when it is plugged in anew, loads its firmware or is being reset. That wait,
	// and attempts that failed for the end of their adapter, do not count. An adapter that
	// cannot come up by itself, such as one that another process uses, is not waited for.
	// Default 60 s; 0 means that such attempts fail and count.
	AdapterTimeout time.Duration
	// SlotTimeout bounds the time that an Establish waits for a connection slot, in all of
	// its attempts together: it then ends with ErrOutOfSlots. SlotAwaited reports the
	// begin of such a wait. Default 60 s; 0 means that MaxTransients alone bounds it.
	SlotTimeout time.Duration
	// WaitAfterLast waits even after the last failure.
	WaitAfterLast bool
	// NoWake waits the full time. Otherwise a wait ends early with the news that its
	// reason may be gone: the device is heard after a silence of two seconds or more,
	// under another address, or by another adapter; a slot is released; or an adapter comes up.
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
		Backoffs:   errclass.DefaultBackoffs(),
		MaxBackoff: 4 * time.Second, MinPersistence: 45 * time.Second,
		AdapterTimeout: 60 * time.Second, SlotTimeout: 60 * time.Second,
	}
}

// Upstream46Policy returns a policy with the constants, the counting, the waits and the
// final errors of bleak-retry-connector 4.6.
func Upstream46Policy() Policy { return upstreamPolicy(errclass.Upstream46) }

// Upstream47Policy returns a policy with those of bleak-retry-connector 4.7.1. It differs
// from Upstream46Policy in two failures of remote radios. A timeout that reports a lack of
// slots is ErrOutOfSlots, and waits 4 s. ESP_GATT_CONN_CONN_CANCEL is ErrAborted, with
// the advice for a refusal in attempts of less than 8 s, and for a silent device in longer
// ones.
func Upstream47Policy() Policy { return upstreamPolicy(errclass.Upstream47) }

func upstreamPolicy(version errclass.Treatment) Policy {
	p := DefaultPolicy()
	p.Treatment, p.WaitAfterLast, p.NoWake = version, true, true
	p.MaxBackoff, p.MinPersistence, p.AdapterTimeout, p.SlotTimeout = 0, 0, 0, 0
	return p
}

// check returns an error for a policy without a meaning.
func (p *Policy) check() error {
	if !p.Treatment.Valid() {
		return fmt.Errorf("connmgr: Policy.Treatment is %v: use errclass.Default, Upstream46 or Upstream47", p.Treatment)
	}
	return nil
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

// minGrowth is the wait from which one that grows is doubled.
const minGrowth = 250 * time.Millisecond

// growBackoff returns the wait after the n-th failure of one row, whose first wait is d.
func (p *Policy) growBackoff(d time.Duration, n int) time.Duration {
	if p.BackOff != nil || p.MaxBackoff <= 0 || n < 2 {
		return d
	}
	limit := max(d, p.MaxBackoff)
	for d = max(d, minGrowth); n > 1 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// persists reports whether failures of class c do not end an Establish by their number
// alone, after so much time.
func (p *Policy) persists(c errclass.Class, after time.Duration) bool {
	return after < p.MinPersistence && (c.Budget == errclass.BudgetTransient || c.Budget == errclass.BudgetConnect)
}

// classify returns the class of a failed attempt. The situation may be nil.
func (p *Policy) classify(err error, in *errclass.Situation) errclass.Class {
	if e, ok := errors.AsType[*MissingError](err); ok && !isOwnFailure(err) {
		return e.class()
	}
	if e, ok := errors.AsType[*ReadyError](err); ok {
		return p.classifyReady(e, in)
	}
	if e, ok := errors.AsType[*UnreachableError](err); ok {
		return e.class()
	}
	if e, ok := errors.AsType[*foreignLinkError](err); ok {
		return e.class()
	}
	if errors.Is(err, errNoAddress) {
		return errclass.Class{
			Row: "device without an address", Category: errclass.Fatal,
			Advice: "return ok=false from Options.Device while no device is known",
		}
	}
	c := p.Treatment.Classify(err, in)
	if c.Row == errclass.Unclassified && errors.Is(err, ErrNoAdapter) {
		c = p.Treatment.Of(syscall.ENODEV)
	}
	return c
}
