package connmgr

import (
	"time"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// plan holds the decisions about one try to connect. nextPlan makes it from the evidence
// about the device and the last failure of the call, and nothing changes it later: a failure
// changes the next plan.
//
//	failure                                       next plan
//	class asks for another adapter                avoid, for one try
//	dial to a device that no adapter has heard    avoid, for one try
//	class asks for relaxed parameters             relaxed: initial and settled are longer
//	class asks for a discovery, table was cached  useCache is false
//	class casts doubt on the bond, with Repair    rebond, in this call
//	link ended in a step, or the step got no      skip has the step
//	answer for seconds until the call ended
//	link ended at its first request, whatever     skip loses its steps; the next two ends at
//	that was                                      a first request add none
type plan struct {
	initial hci.ConnParams // to dial with
	settled hci.ConnParams // to request once the link is idle
	free    bool           // initial is the Manager's choice, not the program's
	relaxed int            // how often initial and settled were made longer
	// skip holds the steps to leave out, for the evidence or for a trait.
	skip     map[Step]bool
	avoid    string // the adapter to use last; "" is none
	rebond   bool   // pair the link anew, in place of the bond
	useCache bool   // of attribute tables
}

// skips reports whether the plan leaves a step out.
func (p *plan) skips(s Step) bool { return p.skip[s] }

// takesInitial reports whether the device of a link has taken StepInitialParams.
func (p *plan) takesInitial() bool {
	return p.free && p.relaxed == 0 && !p.skips(StepInitialParams) && !p.skips(StepSettledParams)
}

// nextPlan returns the plan of the next try, with the evidence about the device and the last
// failure of the call, which is nil before the first. omit holds the steps that the traits of
// the device rule out. It is a pure function.
func nextPlan(h *evidence, last *Attempt, omit []Step, o *Options) plan {
	p := plan{relaxed: h.relaxed, skip: map[Step]bool{}, useCache: !o.DisableCache && !h.outdated}
	if last != nil {
		p.avoid, p.rebond = last.avoids(), last.try.plan.rebond || o.Repair && h.losesBond(last)
	}
	for _, s := range omit {
		p.skip[s] = true
	}
	for s := range h.failed {
		p.skip[s] = true
	}
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

// avoids returns the adapter that the try after a failure has to use last; "" is none.
func (at *Attempt) avoids() string {
	in := at.Situation
	unheard := at.Class.Category == errclass.NotFound && in != nil && in.Heard == (errclass.Heard{})
	if at.Class.Action.Has(errclass.OtherAdapter) || unheard {
		return at.Adapter
	}
	return ""
}

// losesBond reports whether the last failure shows that the device has lost the bond: a sure
// sign, or the second weak one in a row.
func (h *evidence) losesBond(last *Attempt) bool {
	return last.doubtsBond() && (last.Class.Category == errclass.BondLost || h.doubts >= 2)
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
