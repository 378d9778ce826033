package connmgr

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/moor-ble/moor/errclass"
)

// tally is the account of the failures of one Establish.
type tally struct {
	policy *Policy
	begin  time.Time
	counts counts
	rows   map[string]int // the failures by row of the error table
	waits  backoff.BackOff
	outage time.Time // when the outage began that the last attempt failed for; zero: it did not
}

func newTally(p *Policy) *tally {
	t := &tally{policy: p, begin: time.Now(), rows: map[string]int{}, waits: p.backOff()}
	t.waits.Reset()
	return t
}

// enterFailure enters a failed attempt, sets the wait after it, and reports whether
// another attempt follows. onAir reports whether the device is there.
func (t *tally) enterFailure(at *Attempt, onAir bool) (more bool) {
	now := time.Now()
	switch {
	case !isOutage(at.Err):
		t.outage = time.Time{}
	case t.outage.IsZero():
		t.outage = now
	}
	c := &at.Class
	outage := !t.outage.IsZero() && t.policy.AdapterTimeout > 0
	if outage {
		more = c.Retried() && now.Sub(t.outage) < t.policy.AdapterTimeout
	} else {
		more = t.counts.countFailure(*c, t.policy)
		more = more || onAir && t.policy.persists(*c, now.Sub(t.begin))
	}
	t.rows[c.Row]++
	if !more && (!t.policy.WaitAfterLast || !c.Retried()) {
		return false
	}
	if cb, ok := t.waits.(ClassBackOff); ok {
		cb.Failed(*c)
	}
	if at.Backoff = t.waits.NextBackOff(); at.Backoff == backoff.Stop {
		at.Backoff = 0
		return false
	}
	if outage || onAir && !at.differs {
		at.Backoff = t.policy.growBackoff(at.Backoff, t.rows[c.Row])
	}
	return more
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
	case errclass.BudgetTransient, errclass.BudgetAdapter:
		n.transients++
	case errclass.BudgetNone:
		return false
	}
	return n.timeouts+n.connectErrors < p.MaxAttempts && n.transients < p.MaxTransients
}
