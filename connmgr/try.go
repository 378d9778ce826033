package connmgr

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
)

// try is one try to connect, a dial and the steps on its link, or the use of a shared
// link. An attempt has several if a failure allows to dial again at once.
type try struct {
	plan    plan
	made    bool          // the try has made, or failed to make, a link of its own
	away    bool          // the try waits for the device, and leaves the slots to others
	dialed  time.Duration // the time of its dials that have ended
	dialing time.Time     // the begin of its last dial

	step    Step   // the step under way
	alive   bool   // the device has answered a request
	taken   []Step // the steps that the device has taken
	refusal string // the error by which the device has refused its discovery; "" if it has not
	// unanswered is the time for which the device had not answered the request that the end
	// of the call has cut short; 0 if it may have been about to.
	unanswered time.Duration
}

// runStep runs a step that the device may fail.
func (t *try) runStep(s Step, run func() error) error {
	t.step = s
	err := run()
	if err == nil {
		t.step, t.alive = "", true
		t.taken = append(t.taken, s)
	}
	return err
}

// storeTraits stores the steps that the device of a link has taken and those that it
// could not take, once a try has succeeded. h is the evidence that the success confirms.
func (t *try) storeTraits(l *link, h evidence) {
	ts, table := l.m.traits, l.tableName()
	ts.dropOutdated(l.peer, table)
	if t.plan.takesInitial() {
		t.taken = append(t.taken, StepInitialParams)
	}
	ts.dropTraits(l.peer, t.taken...)
	if t.plan.free && h.relaxed > 0 {
		ts.storeTrait(l.peer, table, StepInitialParams, h.relaxedFor)
	}
	if h.unsure {
		return
	}
	if t.refusal != "" {
		h.failStep(StepDiscovery, t.refusal)
	}
	for s, why := range h.failed {
		l.m.log.Debug("the device cannot take a step", "address", l.peer, "step", s, "error", why)
		ts.storeTrait(l.peer, table, s, why)
	}
}

// refusesDiscovery reports whether the device has refused a step of the discovery of
// its table, for another reason than the security of the link or a change of the table.
func refusesDiscovery(err error) bool {
	if _, ok := errors.AsType[*gatt.DiscoveryError](err); !ok || !isATT(err) || errors.Is(err, gatt.ErrStale) {
		return false
	}
	return !errclass.Of(err).Action.Has(errclass.Secure)
}
