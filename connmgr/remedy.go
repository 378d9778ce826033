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
	x.failed = at // it has a class now
	x.m.evidence.learn(x.target.addr.MAC, func(h *evidence) { h.addClass(at) })
	do := at.Class.Action
	unknown := errors.Is(at.Err, controller.ErrUnknownLink) && !isOwnFailure(at.Err)
	if a := x.m.Adapter(at.Adapter); a != nil && (do.Has(errclass.Adopt) || unknown) {
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
	var h evidence
	if x.adapts() {
		h = x.m.evidence.recall(x.target.addr.MAC)
	}
	return nextPlan(&h, x.failed, x.m.traits.stepsToOmit(x.target), x.m.params.withParams(x.target, x.opts))
}

// closeEvidence forgets the evidence about the device, since a try has succeeded, and
// returns what that try has confirmed.
func (x *attempts) closeEvidence() (confirmed evidence) {
	if x.adapts() {
		confirmed = x.m.evidence.recall(x.target.addr.MAC)
	}
	x.m.evidence.forget(x.target.addr.MAC)
	return confirmed
}

// verifyBeforeReset ends the links that only this host has, and then records the fault
// of the controller: an adapter with links is not reset.
func (x *attempts) verifyBeforeReset(ctx context.Context, a *Adapter, err error) {
	if h := a.up(); h != nil {
		a.verifyLinks(ctx, h)
		a.recordFault(x.target.addr.MAC, err)
	}
}
