package connmgr

import (
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/slots"
)

// Verdict is the main reason in an Explanation, for programs. Explanation.Reason has it
// in words.
type Verdict string

// The verdicts. The first one that applies is given. A failed attempt is the reason for ten
// minutes at most, but one that was refused for security until an attempt succeeds.
const (
	VerdictConnected      Verdict = "connected"        // there is a link that is not being ended
	VerdictAdapterDown    Verdict = "adapter-down"     // no adapter is up
	VerdictBondElsewhere  Verdict = "bond-elsewhere"   // the adapter with the bond cannot reach the device
	VerdictOtherKind      Verdict = "other-kind"       // heard with the other kind of address
	VerdictNeverHeard     Verdict = "never-heard"      // no adapter has heard it
	VerdictAway           Verdict = "away"             // not heard for half a minute
	VerdictNotConnectable Verdict = "not-connectable"  // it advertises as not connectable
	VerdictSlotQueue      Verdict = "slot-queue"       // an Establish waits for a connection slot
	VerdictNoSlot         Verdict = "no-slot"          // the adapters that hear it are full
	VerdictSecurity       Verdict = "security-refused" // the device wants a bond, or has lost it
	VerdictResting        Verdict = "resting"          // the device ends each link
	VerdictFailed         Verdict = "failed"           // the last attempt has failed for another reason
	VerdictTableChanged   Verdict = "table-changed"    // nothing speaks against it, but its table has changed lately
	VerdictConnectable    Verdict = "connectable"      // nothing speaks against it
)

// Explanation says why a device can or cannot be connected to, as far as the Manager
// knows. It is a snapshot, and belongs to the caller. String is for people, its JSON for
// programs.
type Explanation struct {
	Time    time.Time `json:"-"`
	Address hci.Addr  `json:"-"` // its kind is public, and not in the JSON, if neither given nor heard
	Name    string    `json:"name,omitempty"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason"`           // the verdict as a clause
	Advice  string    `json:"advice,omitempty"` // a remedy, as a clause
	// Next says which step follows, and when.
	Next     string               `json:"next"`
	Adapters []AdapterExplanation `json:"adapters"`
	// Waiting are the devices that wait for a slot, in the order of the queue.
	Waiting []slots.WaitStatus `json:"waiting,omitempty"`
	// Calls are the calls of Establish for the device that are under way.
	Calls []CallExplanation `json:"calls,omitempty"`
	Kept  []KeepStatus      `json:"kept,omitempty"` // of Manager.Keep
	// Failure is the last attempt that has failed; nil if none has since the last success.
	Failure *FailureExplanation `json:"failure,omitempty"`
	// Reached is the last success; nil if there was none.
	Reached *ReachedExplanation `json:"reached,omitempty"`
	Traits  []Trait             `json:"traits,omitempty"` // the steps that it could not take
	Table   *TableExplanation   `json:"table,omitempty"`  // nil if no table is known
	Params  *hci.ConnParams     `json:"-"`                // see Options.RememberParams

	unsure bool // the kind of Address is neither given nor heard
}

// AdapterExplanation is the part of one adapter in an Explanation.
type AdapterExplanation struct {
	Adapter string `json:"adapter"`
	State   string `json:"state"`
	Err     string `json:"error,omitempty"`      // why it is not up
	ScanErr string `json:"scan_error,omitempty"` // why it does not scan
	// Recovery describes the recovery of an adapter that does not work, see
	// Adapter.Recovery; empty for one that works.
	Recovery string `json:"recovery,omitempty"`
	// Heard is the time of the last advertisement that the adapter has heard; nil if it has
	// heard none. RSSI and Average, a moving one, are in dBm; nil if not known.
	Heard       *time.Time `json:"heard,omitempty"`
	RSSI        *int       `json:"rssi,omitempty"`
	Average     *int       `json:"rssi_average,omitempty"`
	Connectable bool       `json:"connectable"`
	OnAir       hci.Addr   `json:"on_air,omitzero"` // the address in it, if that is another one
	// Slots are the connection slots of the adapter.
	Slots slots.Usage `json:"slots"`
	// Failures is the number of dials to the device that have failed lately. It fades.
	Failures float64 `json:"failures,omitempty"`
	Dialing  int     `json:"dialing,omitempty"` // the dials under way, to all devices
	Bond     bool    `json:"bond"`              // the adapter has a bond with the device
	Linked   bool    `json:"linked,omitempty"`  // the adapter has a link to the device that is not being ended
	// Rank is the place in the order in which a new Establish would use the adapters, from
	// 1; 0 if it would not use this one.
	Rank int `json:"rank"`
}

// CallExplanation is an Establish that is under way.
type CallExplanation struct {
	Begin   time.Time `json:"begin"`
	Attempt int       `json:"attempt"` // from 1
	Phase   Phase     `json:"phase"`
	Adapter string    `json:"adapter,omitempty"`
	// Until is the end of the wait after the attempt, which has failed, unless news end it
	// early; nil if the attempt is under way.
	Until *time.Time `json:"until,omitempty"`
}

// FailureExplanation is the last attempt that has failed.
type FailureExplanation struct {
	Time    time.Time `json:"time"`
	Adapter string    `json:"adapter,omitempty"`
	Phase   Phase     `json:"phase"`
	Err     string    `json:"error"`
	Class   string    `json:"class"`
	// Attempts is the number of attempts that have failed since the last success, the first
	// of them at Since.
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`
}

// ReachedExplanation is the last time at which a Client was ready.
type ReachedExplanation struct {
	Time    time.Time
	Adapter string
	Took    time.Duration
}

// TableExplanation is the attribute table of a device that the Manager knows.
type TableExplanation struct {
	// Discovered is the time of the discovery of the cached table; nil if none is cached.
	Discovered *time.Time `json:"discovered,omitempty"`
	// Changed is the time at which a discovery has found another table than the known one;
	// nil if none has since the Manager was opened.
	Changed *time.Time `json:"changed,omitempty"`
}

// Explain says why the device with an address can or cannot be connected to. It connects
// to nothing and does not wait: an adapter has heard the device only if it scans, which
// Config.DisableScan prevents. The error is that of an invalid address.
func (m *Manager) Explain(address string) (*Explanation, error) {
	t, err := parseTarget(address)
	if err != nil {
		return nil, err
	}
	return m.explain(t), nil
}

// explain makes the Explanation of t.
func (m *Manager) explain(t target) *Explanation {
	x := &attempts{m: m, target: t, opts: &Options{}}
	x.identifyTarget()
	e := &Explanation{Time: time.Now(), Address: x.deviceAddress(), Traits: m.traits.traitsOf(x.target), Kept: m.keeps.statusesOf(t)}
	_, heard := m.devices.latestOf(x.target, false)
	e.unsure = !x.target.known && !heard
	if name := x.deviceName(); name != x.target.addr.MAC.String() {
		e.Name = name
	}
	past, calls := m.records.recordOf(x.target)
	for i := range calls {
		e.Calls = append(e.Calls, calls[i].explain())
	}
	if p, ok := m.params.paramsOf(x.target); ok {
		e.Params = &p
	}
	e.explainPast(&past)
	e.Table = m.explainTable(x.target, &past)
	for _, w := range m.slots.Diagnostics().Waiting {
		if len(w.Adapters) > 0 {
			e.Waiting = append(e.Waiting, w)
		}
	}
	j := &judge{m: m, e: e, target: x.target}
	j.weighFailure(past.failed)
	j.explainAdapters()
	j.reachVerdict()
	j.planNext()
	return e
}

// explain returns the call for an Explanation.
func (c *call) explain() CallExplanation {
	e := CallExplanation{Begin: c.begin, Attempt: c.number, Phase: c.phase, Adapter: c.adapter}
	if !c.until.IsZero() {
		e.Until = &c.until
	}
	return e
}

// explainPast enters the outcome of earlier calls.
func (e *Explanation) explainPast(r *record) {
	if at := r.failed; at != nil {
		e.Failure = &FailureExplanation{
			Time: r.at, Adapter: at.Adapter, Phase: at.Phase, Err: at.Err.Error(), Class: at.Class.Row, Attempts: r.count, Since: r.since,
		}
	}
	if r.reached != nil {
		reached := *r.reached
		e.Reached = &reached
	}
}

// explainTable returns the knowledge about the table of t; nil if there is none.
func (m *Manager) explainTable(t target, r *record) *TableExplanation {
	e := &TableExplanation{}
	if !r.table.IsZero() {
		e.Changed = &r.table
	}
	for _, k := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
		if t.known && t.addr.Identity().Kind != k {
			continue
		}
		if c, ok := m.tables.getTable(hci.Addr{MAC: t.addr.MAC, Kind: k}); ok {
			e.Discovered = &c.Discovered
		}
	}
	if *e == (TableExplanation{}) {
		return nil
	}
	return e
}

// statusesOf returns the statuses of the connections to t that are kept, with their
// errors as KeepStatus.Err describes.
func (ks *keeps) statusesOf(t target) (all []KeepStatus) {
	ks.mu.Lock()
	kept := make([]*Kept, 0, len(ks.all))
	for k := range ks.all {
		if t.matches(k.target.addr) || k.target.matches(t.addr) {
			kept = append(kept, k)
		}
	}
	ks.mu.Unlock()
	for _, k := range kept {
		s := k.Status()
		if e, ok := errors.AsType[*EstablishError](s.Err); ok {
			// Otherwise each error of a Keep would hold all earlier ones.
			bare := *e
			bare.Explanation = nil
			s.Err = &bare
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b KeepStatus) int { return a.Since.Compare(b.Since) })
	return all
}
