package connmgr

import (
	"errors"
	"maps"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// plan holds the decisions about one try to connect. nextPlan makes it from the failures
// before, and nothing changes it later: a failure changes the next plan.
//
//	failure                                       next plan
//	class asks for another adapter                avoid, for one try
//	class asks for relaxed parameters             relaxed: initial and settled are longer
//	class asks for a discovery, table was cached  useCache is false
//	class casts doubt on the bond, with Repair    rebond
//	link ended in a step                          skip has the step
//	link ended at its first request, whatever     skip loses its steps; the next two ends at
//	that was                                      a first request add none; unsure
type plan struct {
	initial hci.ConnParams // to dial with
	settled hci.ConnParams // to request once the link is idle
	free    bool           // initial is the Manager's choice, not the program's
	// relaxed is how often initial and settled were made longer, and relaxedFor the end
	// of the link that longer ones might have saved.
	relaxed    int
	relaxedFor string
	// skip holds the steps to leave out, with the failure in this Establish. The failure is
	// empty for a step that the traits of the device rule out.
	skip map[Step]string
	// unsure reports that the device has ended links at their first request, whatever that
	// was. It is busy, or gone: skip does not become a trait.
	unsure   bool
	avoid    string // the adapter to use last; "" is none
	rebond   bool   // pair the link anew, in place of the bond
	useCache bool   // of attribute tables
}

// skips reports whether the plan leaves a step out.
func (p *plan) skips(s Step) bool {
	_, ok := p.skip[s]
	return ok
}

// takesInitial reports whether the device of a link has taken StepInitialParams.
func (p *plan) takesInitial() bool {
	return p.free && p.relaxed == 0 && !p.skips(StepInitialParams) && !p.skips(StepSettledParams)
}

// nextPlan returns the plan of the next try, after the failures in history. omit holds
// the steps that the traits of the device rule out. It is a pure function.
func nextPlan(history []Attempt, omit []Step, o *Options) plan {
	h := evidence{failed: map[Step]string{}}
	for i := range history {
		h.addAttempt(&history[i], o)
	}
	p := plan{
		relaxed: h.relaxed, relaxedFor: h.relaxedFor, skip: map[Step]string{}, unsure: h.unsure,
		avoid: h.avoid, rebond: h.rebond, useCache: !o.DisableCache && !h.outdated,
	}
	for _, s := range omit {
		p.skip[s] = ""
	}
	maps.Copy(p.skip, h.failed)
	p.initial, p.settled = o.initialParams(), o.settledParams()
	p.free = o.InitialParams == hci.ConnParams{}
	if p.free && (p.skips(StepInitialParams) || p.skips(StepSettledParams)) {
		p.initial = p.settled
	}
	for _, least := range relaxedParams[:p.relaxed] {
		p.initial, p.settled = relaxParams(p.initial, least), relaxParams(p.settled, least)
	}
	return p
}

// relaxedParams are the connection parameters that a dial asks for at least, after the
// first failure that they may have caused and after the second.
var relaxedParams = []hci.ConnParams{
	{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 5 * time.Second},
	{IntervalMin: 100 * time.Millisecond, IntervalMax: 150 * time.Millisecond, Timeout: 10 * time.Second},
}

// relaxParams returns connection parameters with an interval and a supervision timeout of
// at least those of another set, unless the latency does not allow it.
func relaxParams(p, least hci.ConnParams) hci.ConnParams {
	asked := p
	p.IntervalMin, p.IntervalMax = max(p.IntervalMin, least.IntervalMin), max(p.IntervalMax, least.IntervalMax)
	p.Timeout = max(p.Timeout, least.Timeout)
	if p.Validate() != nil {
		return asked
	}
	return p
}

// evidence is the conclusion from the failures of one Establish.
type evidence struct {
	failed map[Step]string // the steps that links have ended in, with the failure
	// spared is the number of failures in the first step of a link to wait for before
	// that step is left out again.
	spared     int
	unsure     bool // see plan, as some below
	relaxed    int
	relaxedFor string
	avoid      string
	rebond     bool
	outdated   bool // a cached table was not the device's
	// doubts is the number of failures in a row, all of the row doubted, that cast doubt on
	// the bond.
	doubts  int
	doubted string
}

// sparedFor is the value of evidence.spared after a link has ended at its first request,
// whatever that was.
const sparedFor = 2

// addAttempt adds one failure.
func (h *evidence) addAttempt(at *Attempt, o *Options) {
	if at.try != nil {
		if at.try.refusal != "" {
			h.failed[StepDiscovery] = at.try.refusal
		}
		if at.try.made && mayBlame(at.Err) {
			h.blameStep(at)
		}
	}
	h.avoid = ""
	if at.Class.Row == "" {
		return // the safety timeout has ended the attempt: it has no class
	}
	do, in := at.Class.Action, at.Situation
	if do.Has(errclass.OtherAdapter) {
		h.avoid = at.Adapter
	}
	if do.Has(errclass.RelaxParams) && h.relaxed < len(relaxedParams) {
		h.relaxed++
	}
	if do.Has(errclass.Rediscover) && in != nil && in.Cached {
		h.outdated = true
	}
	h.doubtBond(at, o)
}

// blameStep finds the step that may have ended the link. The first loss of a link that
// longer parameters may prevent tells nothing about the step.
func (h *evidence) blameStep(at *Attempt) {
	t := at.try
	if errclass.Of(at.Err).Action.Has(errclass.RelaxParams) {
		h.relaxedFor = at.Err.Error()
		if t.plan.relaxed == 0 && !t.plan.skips(StepInitialParams) {
			return
		}
	}
	switch {
	case !t.alive && (h.failed[StepMTU] != "" || h.failed[StepDiscovery] != ""):
		// The device ends the link at the first request, whatever that is.
		delete(h.failed, StepMTU)
		delete(h.failed, StepDiscovery)
		h.spared, h.unsure = sparedFor, true
	case t.step == "":
	case !t.alive && h.spared > 0:
		h.spared--
	default:
		h.failed[t.step] = at.Err.Error()
	}
}

// doubtBond decides whether the next link has to be paired anew in place of the bond:
// with Options.Repair, after a sure sign that the device has lost the bond, or after the
// second weak one in a row.
func (h *evidence) doubtBond(at *Attempt, o *Options) {
	c, in := &at.Class, at.Situation
	if !c.Action.Has(errclass.CheckBond) || in == nil || !in.Encrypted {
		h.doubts = 0
		return
	}
	if h.doubted != c.Row {
		h.doubts, h.doubted = 0, c.Row
	}
	h.doubts++
	h.rebond = h.rebond || o.Repair && (c.Category == errclass.BondLost || h.doubts >= 2)
}

// mayBlame reports whether a link may have ended because of a step of this host: the
// device hung up, went silent, or did not answer.
func mayBlame(err error) bool {
	if errors.Is(err, att.ErrTransactionTimeout) {
		return true
	}
	d, ok := errors.AsType[*controller.DisconnectError](err)
	if !ok {
		return errors.Is(err, hci.StatusUnacceptableParameters) // of a dial
	}
	if d.Local || d.Cause != nil {
		return false
	}
	switch d.Reason {
	case hci.StatusConnectionTimeout, hci.StatusRemoteUserTerminated, hci.StatusUnsupportedRemoteFeature,
		hci.StatusInvalidLMPParameters, hci.StatusUnspecified, hci.StatusLLResponseTimeout, hci.StatusLMPPDUNotAllowed,
		hci.StatusInstantPassed, hci.StatusDifferentTransaction, hci.StatusUnacceptableParameters:
		return true
	default:
		return false
	}
}
