package connmgr

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// remedies are what the next attempt of an Establish does otherwise, because of the
// failures before.
type remedies struct {
	avoid   *Adapter // is the last choice
	relaxed int      // how often parameters were relaxed
	// doubts is the number of failures in a row of one row that cast doubt on the bond.
	doubts   int
	doubtful string // that row
	rebonds  bool   // the next link is paired anew, in place of the bond
}

// relaxedParams are the connection parameters that a dial asks for at least, after the
// first failure that they may have caused and after the second.
var relaxedParams = []hci.ConnParams{
	{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 5 * time.Second},
	{IntervalMin: 100 * time.Millisecond, IntervalMax: 150 * time.Millisecond, Timeout: 10 * time.Second},
}

// applyRemedies does what the class of a failure asks for before the next attempt.
// differs reports whether that one is not the same again; again, whether it is to be
// made at once, as a part of this one.
func (x *attempts) applyRemedies(ctx context.Context, at *Attempt, p *Policy) (differs, again bool) {
	x.avoid = nil
	if p.Treatment != errclass.Default {
		return false, false
	}
	a, do := x.m.Adapter(at.Adapter), at.Class.Action
	if do.Has(errclass.OtherAdapter) && a != nil {
		x.avoid = a
		ranked, err := x.m.rankAdapters(x.target, x.last, x.avoid, x.opts)
		differs = err == nil && ranked[0] != a
	}
	if do.Has(errclass.RelaxParams) && x.relaxed < len(relaxedParams) {
		x.relaxed++
		x.opts.SettledParams = x.relaxParams(x.opts.settledParams())
		differs = true
	}
	if (do.Has(errclass.Adopt) || errors.Is(at.Err, controller.ErrUnknownLink)) && a != nil {
		x.verifyBeforeReset(ctx, a, at.Err)
	}
	if x.doubtBond(at) {
		x.rebonds = true
		differs, again = true, true
	}
	if in := at.Situation; do.Has(errclass.Rediscover) && in != nil && in.Cached {
		differs = !x.opts.DisableCache
		x.opts.DisableCache = true // the Establish has its own copy
	}
	return differs, again
}

// relaxParams returns connection parameters with an interval and a supervision timeout
// of at least those that the failures ask for.
func (x *attempts) relaxParams(p hci.ConnParams) hci.ConnParams {
	if x.relaxed == 0 {
		return p
	}
	least, asked := relaxedParams[x.relaxed-1], p
	p.IntervalMin, p.IntervalMax = max(p.IntervalMin, least.IntervalMin), max(p.IntervalMax, least.IntervalMax)
	p.Timeout = max(p.Timeout, least.Timeout)
	if p.Validate() != nil { // the latency does not allow it
		return asked
	}
	return p
}

// verifyBeforeReset ends the links that only this host has, and then records the fault
// of the controller: an adapter with links is not reset.
func (x *attempts) verifyBeforeReset(ctx context.Context, a *Adapter, err error) {
	if h := a.up(); h != nil {
		a.verifyLinks(ctx, h)
		a.recordFault(x.target.addr.MAC, err)
	}
}

// doubtBond reports whether the next link has to be paired anew in place of the bond:
// with Options.Repair, once, after a sure sign that the device has lost the bond, or
// after the second weak one in a row.
func (x *attempts) doubtBond(at *Attempt) bool {
	c, in := &at.Class, at.Situation
	if !c.Action.Has(errclass.CheckBond) || in == nil || !in.Encrypted {
		x.doubts = 0
		return false
	}
	if x.doubtful != c.Row {
		x.doubts, x.doubtful = 0, c.Row
	}
	x.doubts++
	return x.opts.Repair && !x.rebonds && (c.Category == errclass.BondLost || x.doubts >= 2)
}
