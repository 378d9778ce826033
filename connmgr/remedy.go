package connmgr

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
)

// applyRemedies takes the actions of the class of a failure before the next try. differs
// reports whether that one is not the same again; again, whether it follows at once, as a
// part of this attempt.
func (x *attempts) applyRemedies(ctx context.Context, at *Attempt, _ *Policy) (differs, again bool) {
	if !x.adapts() || at.try == nil {
		return false, false
	}
	x.history[len(x.history)-1] = *at // it has a class now
	do := at.Class.Action
	if a := x.m.Adapter(at.Adapter); a != nil && (do.Has(errclass.Adopt) || errors.Is(at.Err, controller.ErrUnknownLink)) {
		x.verifyBeforeReset(ctx, a, at.Err)
	}
	was, next := &x.try.plan, x.planNext()
	if next.avoid != "" {
		ranked, err := x.m.rankAdapters(x.target, x.last, next.avoid, x.opts)
		differs = err == nil && ranked[0].name != next.avoid
	}
	again = next.rebond && !was.rebond
	return differs || again || next.relaxed > was.relaxed || was.useCache && !next.useCache, again
}

// adapts reports whether a failure changes the next try. The policies of
// bleak-retry-connector repeat the same.
func (x *attempts) adapts() bool { return x.policy.Treatment == errclass.Default }

// planNext returns the plan of the next try.
func (x *attempts) planNext() plan {
	return nextPlan(x.history, x.m.traits.stepsToOmit(x.target), x.opts)
}

// verifyBeforeReset ends the links that only this host has, and then records the fault
// of the controller: an adapter with links is not reset.
func (x *attempts) verifyBeforeReset(ctx context.Context, a *Adapter, err error) {
	if h := a.up(); h != nil {
		a.verifyLinks(ctx, h)
		a.recordFault(x.target.addr.MAC, err)
	}
}
