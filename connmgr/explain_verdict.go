package connmgr

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
)

// changedLately is how long a change of the table is worth the verdict, and failedLately
// how long a failed attempt is. A device that has refused a link for its security does so
// until the bond or the device changes.
const (
	changedLately = time.Minute
	failedLately  = 10 * time.Minute
)

// judge finds the verdict of an Explanation.
type judge struct {
	m      *Manager
	e      *Explanation
	target target
	failed *Attempt // the last one; nil if none has since the last success, or it is too old to count
	ending string   // the adapter of a link to the device that is ending; "" if there is none
}

// weighFailure enters the last attempt that has failed, unless that was too long ago to
// tell about the present.
func (j *judge) weighFailure(at *Attempt) {
	if at != nil && (j.e.Time.Sub(j.e.Failure.Time) < failedLately || isRefusedForSecurity(at)) {
		j.failed = at
	}
}

// isRefusedForSecurity reports whether the device has ended the attempt because the link
// was not secure, or could not be secured.
func isRefusedForSecurity(at *Attempt) bool {
	in := at.Situation
	return !isOwnFailure(at.Err) && (in != nil && in.SecurityRefused ||
		at.Class.Action.Has(errclass.Secure) || at.Class.Category == errclass.BondLost || at.Phase == PhaseSecure)
}

// explainAdapters enters the adapters.
func (j *judge) explainAdapters() {
	now := j.e.Time
	heard := j.m.devices.heardOf(j.target)
	ranked, _ := j.m.rankAdapters(j.target, nil, "", &Options{})
	linked := ""
	if l := j.m.links.findLink(j.target); l != nil && l.isOpen() {
		linked = l.adapter.name
	} else if l != nil {
		j.ending = l.adapter.name
	}
	for _, a := range j.m.Adapters() {
		state, err := a.State()
		v := AdapterExplanation{
			Adapter: a.name, State: state.String(), Slots: j.m.slots.Usage(a.name),
			Bond: a.hasBond(j.target), Rank: slices.Index(ranked, a) + 1, Linked: linked == a.name,
		}
		if err != nil && state != AdapterUp {
			v.Err = err.Error()
		}
		if err := a.ScanErr(); err != nil && state == AdapterUp {
			v.ScanErr = err.Error()
		}
		recovery := a.Recovery()
		v.Recovery = recovery.describeRecovery(now)
		a.mu.Lock()
		v.Failures, v.Dialing = math.Round(10*a.failed[j.target.addr.MAC].weightAt(now))/10, a.dialing
		a.mu.Unlock()
		if i := slices.IndexFunc(heard, func(d Device) bool { return d.Adapter == a.name }); i >= 0 {
			d := &heard[i]
			v.Heard, v.Connectable = &d.Seen, d.Connectable || now.Sub(d.accepts) < refusesFor && !d.accepts.IsZero()
			if d.Smoothed != NoRSSI {
				v.RSSI, v.Average = &d.RSSI, &d.Smoothed
			}
			if d.OnAir != (hci.Addr{}) && d.OnAir != d.Addr {
				v.OnAir = d.OnAir
			}
		}
		j.e.Adapters = append(j.e.Adapters, v)
	}
}

// set enters the verdict.
func (j *judge) set(v Verdict, advice, format string, args ...any) bool {
	j.e.Verdict, j.e.Advice, j.e.Reason = v, advice, text.DropPackages(fmt.Sprintf(format, args...))
	return true
}

// reachVerdict tries the reasons in the order of the verdicts.
func (j *judge) reachVerdict() {
	for _, applies := range []func() bool{
		j.isConnected, j.hasNoAdapter, j.isBondedElsewhere, j.isNotHeard, j.isNotConnectable, j.lacksSlot, j.hasFailed, j.hasOtherTable,
	} {
		if applies() {
			return
		}
	}
	j.set(VerdictConnectable, "", "nothing speaks against a connection")
}

func (j *judge) isConnected() bool {
	for i := range j.e.Adapters {
		if a := &j.e.Adapters[i]; a.Linked {
			return j.set(VerdictConnected, "", "it is connected on %s", a.Adapter)
		}
	}
	return false
}

func (j *judge) hasNoAdapter() bool {
	var down []string
	for i := range j.e.Adapters {
		a := &j.e.Adapters[i]
		if a.State == AdapterUp.String() {
			return false
		}
		down = append(down, downText(a))
	}
	err := j.m.noAdapter("")
	return j.set(VerdictAdapterDown, errclass.Of(err).Advice, "no adapter is up: %s", strings.Join(down, "; "))
}

// downText says that an adapter is not up, and why.
func downText(a *AdapterExplanation) string {
	text := a.Adapter + " is " + a.State
	if a.Err != "" {
		text += ": " + a.Err
	}
	return text
}

// isBondedElsewhere reports whether an adapter has the bond that cannot be used, so that
// no other one may be either.
func (j *judge) isBondedElsewhere() bool {
	var bonded *AdapterExplanation
	others := ""
	for i := range j.e.Adapters {
		a := &j.e.Adapters[i]
		switch {
		case a.Bond && a.State == AdapterUp.String() && j.hears(a):
			return false
		case a.Bond:
			bonded = a
		case others == "" && j.hears(a):
			others = a.Adapter
		}
	}
	const advice = "only the adapter with the bond may connect: bring it closer or up, or remove the bond there and pair again"
	switch {
	case bonded == nil:
		return false
	case bonded.State != AdapterUp.String():
		return j.set(VerdictBondElsewhere, advice, "%s has the bond with the device, and is %s", bonded.Adapter, bonded.State)
	case others != "":
		return j.set(VerdictBondElsewhere, advice, "%s has the bond with the device and does not hear it; %s does, without a bond", bonded.Adapter, others)
	}
	return false
}

// hears reports whether an adapter has heard the device lately.
func (j *judge) hears(a *AdapterExplanation) bool {
	return a.Heard != nil && j.e.Time.Sub(*a.Heard) < onAirFor
}

func (j *judge) isNotHeard() bool {
	var last *AdapterExplanation
	for i := range j.e.Adapters {
		if a := &j.e.Adapters[i]; a.Heard != nil && (last == nil || a.Heard.After(*last.Heard)) {
			last = a
		}
	}
	switch {
	case last == nil:
		d, ok := j.m.devices.latestOf(target{addr: j.target.addr}, false)
		if ok && !j.target.matches(d.Addr) && j.e.Time.Sub(d.Seen) < onAirFor {
			u := UnreachableError{Heard: d.Addr, Wanted: j.target.addr}
			return j.set(VerdictOtherKind, u.class().Advice, "%v", &u)
		}
		if j.failed != nil && j.failed.Class.Category != errclass.NotFound {
			return false
		}
		if ok && j.target.matches(d.Addr) { // RestoreDiscoveries, or an earlier run
			return j.set(VerdictNeverHeard, j.neverHeardAdvice(), "no adapter in use has heard it; %s, which is not in use, heard it %s ago", d.Adapter, shortTime(j.e.Time.Sub(d.Seen)))
		}
		return j.set(VerdictNeverHeard, j.neverHeardAdvice(), "no adapter has heard it")
	case !j.hears(last) && (j.failed == nil || j.failed.Class.Category == errclass.NotFound || j.isPast()):
		return j.set(VerdictAway, "check that it is on and advertises, or bring it closer",
			"it is away: %s heard it %s ago, and no adapter since", last.Adapter, shortTime(j.e.Time.Sub(*last.Heard)))
	}
	return false
}

// isPast reports whether the device has gone since the last failure: the adapters listen,
// and the failure was a while ago.
func (j *judge) isPast() bool {
	return !j.m.cfg.DisableScan && j.e.Time.Sub(j.e.Failure.Time) >= onAirFor
}

func (j *judge) neverHeardAdvice() string {
	if j.m.cfg.DisableScan {
		return "the adapters do not listen (Config.DisableScan), except while they connect: check that it is on and advertises"
	}
	return "check that it is on and advertises, or bring it closer; check its address"
}

func (j *judge) isNotConnectable() bool {
	heard := false
	for i := range j.e.Adapters {
		if a := &j.e.Adapters[i]; j.hears(a) {
			if heard = true; a.Connectable {
				return false
			}
		}
	}
	u := UnreachableError{}
	return heard && j.set(VerdictNotConnectable, u.class().Advice, "it advertises as not connectable")
}

func (j *judge) lacksSlot() bool {
	var full []string
	for i := range j.e.Adapters {
		a := &j.e.Adapters[i]
		if a.Rank == 0 {
			continue
		}
		if a.Slots.Free != 0 || a.Adapter == j.ending {
			return false
		}
		full = append(full, fmt.Sprintf("%s has %d of %v connection slots in use", a.Adapter, a.Slots.Used, a.Slots.Slots))
	}
	if full == nil {
		return false
	}
	const advice = "end another connection, or add an adapter"
	before, waits := j.placeInQueue()
	if waits {
		return j.set(VerdictSlotQueue, advice, "it waits for a connection slot, with %s before it: %s", countText(before, "device"), strings.Join(full, "; "))
	}
	return j.set(VerdictNoSlot, advice, "no adapter in reach has a free connection slot: %s", strings.Join(full, "; "))
}

// placeInQueue returns the number of other devices that wait for a slot before this one,
// and whether this one waits.
func (j *judge) placeInQueue() (before int, waits bool) {
	mac := j.target.addr.MAC.String()
	others := map[string]bool{}
	for _, w := range j.e.Waiting {
		if w.Address == mac {
			return len(others), true
		}
		others[w.Address] = true
	}
	return 0, false
}

func (j *judge) hasFailed() bool {
	at, f := j.failed, j.e.Failure
	if at == nil {
		return false
	}
	age := j.e.Time.Sub(f.Time)
	times := fmt.Sprintf("%s failed in %s", countText(f.Attempts, "attempt"), shortTime(f.Time.Sub(f.Since)))
	switch {
	case f.Attempts == 1:
		times = fmt.Sprintf("the attempt failed %s ago", shortTime(age))
	case age >= time.Minute:
		times += fmt.Sprintf(", the last %s ago", shortTime(age))
	}
	in := at.Situation
	down, hungUp := errors.AsType[*controller.DisconnectError](at.Err)
	switch {
	case isOwnFailure(at.Err):
		return j.set(VerdictFailed, at.Class.Advice, "%s: %v", times, at.Err)
	case in != nil && in.SecurityRefused:
		return j.set(VerdictSecurity, at.Class.Advice, "it wants a paired connection, and ends the link without one: %s", times)
	case isRefusedForSecurity(at):
		return j.set(VerdictSecurity, at.Class.Advice, "it refuses the link for its security: %s: %v", times, at.Err)
	case at.Class.Category == errclass.OutOfSlots:
		return j.set(VerdictNoSlot, at.Class.Advice, "there was no room for another link: %s: %v", times, at.Err)
	case hungUp && !down.Local && down.Cause == nil && (down.Reason == hci.StatusRemoteUserTerminated || down.Reason == hci.StatusRemoteLowResources):
		return j.set(VerdictResting, "give it time: some devices rest after a reset or a lost link", "it ends each link by itself: %s: %v", times, down.Reason)
	}
	return j.set(VerdictFailed, at.Class.Advice, "%s: %v", times, at.Err)
}

func (j *judge) hasOtherTable() bool {
	if t := j.e.Table; t != nil && t.Changed != nil && j.e.Time.Sub(*t.Changed) < changedLately {
		return j.set(VerdictTableChanged, "", "nothing speaks against a connection; its attribute table changed %s ago", shortTime(j.e.Time.Sub(*t.Changed)))
	}
	return false
}

// planNext enters the step that follows.
func (j *judge) planNext() {
	e := j.e
	if len(e.Calls) > 0 {
		e.Next = e.Calls[0].describeCall(e.Time)
		return
	}
	if i := slices.IndexFunc(e.Kept, func(k KeepStatus) bool { return k.State == KeepWaiting }); i >= 0 {
		e.Next = fmt.Sprintf("a new attempt follows in %s, or with news", shortTime(e.Kept[i].Until.Sub(e.Time)))
		return
	}
	var over []string
	for rank := 1; rank <= len(e.Adapters); rank++ {
		for i := range e.Adapters {
			if e.Adapters[i].Rank == rank {
				over = append(over, e.Adapters[i].Adapter)
			}
		}
	}
	switch {
	case e.Verdict == VerdictConnected:
		e.Next = "a new attempt shares the link"
	case e.Verdict == VerdictNotConnectable, e.Verdict == VerdictOtherKind:
		e.Next = "a new attempt fails at once, while that lasts"
	case len(over) == 0:
		e.Next = "a new attempt waits for an adapter"
	case e.Verdict == VerdictNoSlot:
		e.Next = "a new attempt waits for a slot on " + strings.Join(over, " or ")
	case j.ending != "":
		e.Next = "a new attempt waits for the end of the last link, and then dials on " + strings.Join(over, ", then ")
	default:
		e.Next = "a new attempt dials at once on " + strings.Join(over, ", then ")
	}
}

// describeCall says which step of a call is under way or follows.
func (c *CallExplanation) describeCall(now time.Time) string {
	on := ""
	if c.Adapter != "" {
		on = " on " + c.Adapter
	}
	if c.Until != nil {
		return fmt.Sprintf("attempt %d follows in %s, or with news", c.Attempt+1, shortTime(c.Until.Sub(now)))
	}
	doing := map[Phase]string{
		PhasePath: "chooses an adapter", PhaseSlot: "waits for a slot", PhaseDial: "dials", PhaseSecure: "secures the link",
		PhaseDiscover: "reads the table", PhaseReady: "runs the check of the program",
	}[c.Phase]
	return fmt.Sprintf("attempt %d %s%s, after %s", c.Attempt, doing, on, shortTime(now.Sub(c.Begin)))
}
