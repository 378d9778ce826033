package connmgr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// failedTry is a try of a plan test: where it ended, and how.
type failedTry struct {
	step    Step   // under way at the end
	alive   bool   // the device had answered
	refusal string // of the discovery
	shared  bool   // on the link of another call
	// unanswered is the time without an answer until the call ended.
	unanswered time.Duration
	reason     hci.Status
	dial       hci.Status // the link was not made
	class      errclass.Class
	in         errclass.Situation
}

// fail returns the evidence from the failures of the tries, each with the plan that nextPlan
// makes for it, and the last failure.
func fail(tries []failedTry, omit []Step, o *Options) (h evidence, last *Attempt) {
	for _, f := range tries {
		at := Attempt{Adapter: "hci0", Class: f.class, Situation: &f.in}
		at.try = &try{
			plan: nextPlan(&h, last, omit, o), made: !f.shared, step: f.step, alive: f.alive, refusal: f.refusal, unanswered: f.unanswered,
		}
		switch {
		case f.dial != 0:
			at.Err = &controller.ConnectError{Err: f.dial}
		case f.reason != 0:
			at.Err = &controller.DisconnectError{Reason: f.reason}
		default:
			at.Err = errors.New("other")
		}
		h.addTry(&at)
		if at.Class.Row != "" {
			h.addClass(&at)
		}
		last = &at
	}
	return h, last
}

// String returns the decisions that differ from those of a plan after no failure.
func (p *plan) String() string {
	var parts []string
	if first := nextPlan(&evidence{}, nil, nil, &Options{}); p.initial != first.initial {
		parts = append(parts, fmt.Sprint("initial ", p.initial.IntervalMin, "-", p.initial.IntervalMax, " ", p.initial.Timeout))
	}
	if p.relaxed > 0 {
		parts = append(parts, fmt.Sprint("settled ", p.settled.IntervalMin, "-", p.settled.IntervalMax, " ", p.settled.Timeout))
	}
	var skip []string
	for s := range p.skip {
		skip = append(skip, string(s))
	}
	if slices.Sort(skip); len(skip) > 0 {
		parts = append(parts, "skip "+strings.Join(skip, ", "))
	}
	if p.avoid != "" {
		parts = append(parts, "avoid "+p.avoid)
	}
	if p.rebond {
		parts = append(parts, "rebond")
	}
	if !p.useCache {
		parts = append(parts, "no cache")
	}
	return strings.Join(parts, "; ")
}

// TestNextPlan has a row for each line of the table above plan, and for their
// combinations.
func TestNextPlan(t *testing.T) {
	mtu := failedTry{step: StepMTU, reason: hci.StatusRemoteUserTerminated}
	discovery := failedTry{step: StepDiscovery, alive: true, reason: hci.StatusRemoteUserTerminated}
	first := failedTry{step: StepDiscovery, reason: hci.StatusRemoteUserTerminated}
	act := func(do errclass.Action) failedTry { return failedTry{class: errclass.Class{Row: "row", Action: do}} }
	unheard := errclass.Class{Row: "unheard", Category: errclass.NotFound}
	relax := failedTry{step: StepMTU, reason: hci.StatusConnectionTimeout, class: errclass.Class{Row: "lost", Action: errclass.RelaxParams}}
	cached := act(errclass.Rediscover)
	cached.in.Cached = true
	doubt := func(row string, c errclass.Category, encrypted bool) failedTry {
		return failedTry{
			class: errclass.Class{Row: row, Category: c, Action: errclass.CheckBond},
			in:    errclass.Situation{Encrypted: encrypted},
		}
	}
	weak, other, plain := doubt("weak", errclass.Connection, true), doubt("other", errclass.Connection, true), doubt("weak", errclass.Connection, false)
	sure := doubt("sure", errclass.BondLost, true)
	own := hci.ConnParams{IntervalMin: 20 * time.Millisecond, IntervalMax: 60 * time.Millisecond, Latency: 1, Timeout: 8 * time.Second}
	sleepy := hci.ConnParams{IntervalMin: 20 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Latency: 40, Timeout: 8 * time.Second}
	repair := Options{Repair: true}
	for _, c := range []struct {
		name  string
		tries []failedTry
		omit  []Step
		o     Options
		want  string
	}{
		{name: "no failure", want: ""},
		{name: "cache disabled", o: Options{DisableCache: true}, want: "no cache"},
		{name: "traits", omit: []Step{StepMTU, StepPHY2M}, want: "skip mtu, phy-2m"},
		{name: "trait of the parameters", omit: []Step{StepSettledParams}, want: "initial 30ms-50ms 5s; skip settled-parameters"},
		{name: "trait, but own parameters", omit: []Step{StepInitialParams}, o: Options{InitialParams: own}, want: "initial 20ms-60ms 8s; skip initial-parameters"},

		{name: "another adapter", tries: []failedTry{act(errclass.OtherAdapter)}, want: "avoid hci0"},
		{name: "another adapter, once", tries: []failedTry{act(errclass.OtherAdapter), act(0)}, want: ""},
		{name: "unheard device", tries: []failedTry{{class: unheard}}, want: "avoid hci0"},
		{name: "unheard device, heard before", tries: []failedTry{{class: unheard, in: errclass.Situation{Heard: errclass.Heard{Adapter: "hci1"}}}}, want: ""},
		{name: "no class", tries: []failedTry{act(errclass.OtherAdapter), {}}, want: ""},

		{name: "relaxed", tries: []failedTry{relax}, want: "initial 30ms-50ms 5s; settled 30ms-50ms 5s"},
		{name: "relaxed twice", tries: []failedTry{relax, relax}, want: "initial 100ms-150ms 10s; settled 100ms-150ms 10s; skip mtu"},
		{name: "no third time", tries: []failedTry{relax, relax, act(errclass.RelaxParams)}, want: "initial 100ms-150ms 10s; settled 100ms-150ms 10s; skip mtu"},
		{name: "own parameters relaxed", tries: []failedTry{relax}, o: Options{InitialParams: own}, want: "initial 30ms-60ms 8s; settled 30ms-50ms 5s"},
		{
			name: "latency forbids the second time", tries: []failedTry{relax, act(errclass.RelaxParams)}, o: Options{InitialParams: sleepy},
			want: "initial 30ms-50ms 8s; settled 100ms-150ms 10s",
		},
		{
			name: "relaxed at once where a trait has longer ones", tries: []failedTry{relax}, omit: []Step{StepInitialParams},
			want: "initial 30ms-50ms 5s; settled 30ms-50ms 5s; skip initial-parameters, mtu",
		},

		{name: "cached table", tries: []failedTry{cached}, want: "no cache"},
		{name: "cached table, for good", tries: []failedTry{cached, act(0)}, want: "no cache"},
		{name: "table not cached", tries: []failedTry{act(errclass.Rediscover)}, want: ""},

		{name: "ended in the MTU exchange", tries: []failedTry{mtu}, want: "skip mtu"},
		{name: "on a shared link", tries: []failedTry{{step: StepMTU, shared: true, reason: hci.StatusRemoteUserTerminated}}, want: ""},
		{name: "not by the device", tries: []failedTry{{step: StepMTU, reason: hci.StatusLocalHostTerminated}}, want: ""},
		{name: "between two steps", tries: []failedTry{{alive: true, reason: hci.StatusRemoteUserTerminated}}, want: ""},
		{name: "ended in two steps", tries: []failedTry{mtu, discovery}, want: "skip discovery, mtu"},
		{name: "at whatever came first", tries: []failedTry{mtu, first}, want: "unsure"},
		{name: "spared", tries: []failedTry{mtu, first, mtu, mtu}, want: "unsure"},
		{name: "no longer spared", tries: []failedTry{mtu, first, mtu, mtu, mtu}, want: "skip mtu; unsure"},
		{name: "no answer until the call ended", tries: []failedTry{{step: StepMTU, unanswered: 8 * time.Second}}, want: "skip mtu"},
		{name: "no answer, but no step", tries: []failedTry{{alive: true, unanswered: 8 * time.Second}}, want: ""},
		{name: "refused, then lost", tries: []failedTry{{refusal: "no", alive: true}}, want: "skip discovery"},

		{name: "one weak doubt", tries: []failedTry{weak}, o: repair, want: ""},
		{name: "two weak doubts", tries: []failedTry{weak, weak}, o: repair, want: "rebond"},
		{name: "two doubts of two rows", tries: []failedTry{weak, other}, o: repair, want: ""},
		{name: "two doubts, not in a row", tries: []failedTry{weak, act(0), weak}, o: repair, want: ""},
		{name: "no bond in use", tries: []failedTry{plain, plain}, o: repair, want: ""},
		{name: "sure", tries: []failedTry{sure}, o: repair, want: "rebond"},
		{name: "sure, without Repair", tries: []failedTry{sure}, want: ""},
	} {
		h, last := fail(c.tries, c.omit, &c.o)
		p := nextPlan(&h, last, c.omit, &c.o)
		got := p.String()
		if h.unsure {
			got = strings.TrimPrefix(got+"; unsure", "; ")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A plan does not change the options of the call, nor the plans before it.
func TestNextPlanIsPure(t *testing.T) {
	o := Options{}
	h, last := fail([]failedTry{
		{step: StepMTU, reason: hci.StatusRemoteUserTerminated, class: errclass.Class{Row: "row", Action: errclass.RelaxParams}},
	}, nil, &o)
	before := last.try.plan.String()
	one, two := nextPlan(&h, last, nil, &o), nextPlan(&h, last, nil, &o)
	if one.String() != two.String() || one.String() == before {
		t.Errorf("%q, then %q; the first was %q", one.String(), two.String(), before)
	}
	if got := last.try.plan.String(); got != before || o.DisableCache || o.SettledParams != (hci.ConnParams{}) {
		t.Errorf("the first plan is %q, was %q; options %+v", got, before, o)
	}
}

// The devices with evidence are bounded: that with the oldest sign is forgotten.
func TestEvidenceIsBounded(t *testing.T) {
	var es evidences
	device := func(n int) hci.MAC { return hci.MAC{byte(n), byte(n >> 8)} }
	begin := time.Now()
	for n := range maxEvidence + 1 {
		es.learn(device(n), func(h *evidence) { h.outdated, h.seen = true, begin.Add(time.Duration(n)*time.Microsecond) })
	}
	if len(es.all) != maxEvidence || es.recall(device(0)).outdated || !es.recall(device(1)).outdated || !es.recall(device(maxEvidence)).outdated {
		t.Errorf("%d devices, want %d without the first one", len(es.all), maxEvidence)
	}
	es.learn(device(0), func(*evidence) {})
	if len(es.all) != maxEvidence {
		t.Error("a failure that tells nothing has a place")
	}
}
