package connmgr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci/hcisock"
)

// ErrNoRung reports that a Recoverer has done nothing: the adapter does not have the rung
// or is not there, another program uses it, or this process lacks the permission.
var ErrNoRung = errors.New("not possible")

// Recoverer brings one adapter back that does not work. Its methods are called one after
// the other, and never while the Manager has the adapter open, except for NoteOpened.
type Recoverer interface {
	// NoteOpened is called when the adapter at an address has been opened. The
	// Recoverer may note its place, which Recover needs once the adapter has vanished.
	NoteOpened(address string)
	// Recover takes a rung above RungReopen, and returns when the adapter can be opened
	// again, or ctx ends. If nothing can be done, the error wraps ErrNoRung and the
	// reason: the Manager then takes the next rung, and asks again before the next try.
	// It logs each such reason once. A reason that wraps fs.ErrPermission, or is an
	// *hcisock.OpenError with CausePermission, is a warning, and should name the remedy.
	Recover(ctx context.Context, address string, rung Rung) error
}

// rungTimeout bounds a Recover. The kernel waits up to 10 s for an adapter that does not
// answer, and some adapters load their firmware for 10 s.
const rungTimeout = 30 * time.Second

// Recovery is the state of an adapter that does not work, or has not worked for a minute
// since it was brought back. It is zero for an adapter that works.
type Recovery struct {
	// Tries is the number of tries in a row to open the adapter after which it has not
	// worked.
	Tries int
	// Rung is the last rung taken above RungReopen; 0 if none was. Steps is the number
	// of such rungs taken, Time that of the last one, and Err its error.
	Rung  Rung
	Steps int
	Time  time.Time
	Err   error
	// Refused says why a rung that was due was not taken; nil if each was.
	Refused error
}

// Recovery returns the state of the recovery of the adapter.
func (a *Adapter) Recovery() Recovery {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.recovery
	r.Tries = a.climb.tries
	return r
}

// describeRecovery describes the recovery in a clause; "" for an adapter that works.
func (r *Recovery) describeRecovery(now time.Time) string {
	var parts []string
	switch {
	case r.Tries == 1:
		parts = append(parts, "failed once")
	case r.Tries > 1:
		parts = append(parts, fmt.Sprintf("failed %s in a row", countText(r.Tries, "time")))
	}
	if r.Rung != 0 {
		text := fmt.Sprintf("%v %s ago", r.Rung, shortTime(now.Sub(r.Time)))
		if r.Err != nil {
			text += fmt.Sprintf(", which failed: %v", r.Err)
		}
		parts = append(parts, text)
	}
	if r.Refused != nil {
		parts = append(parts, strings.ReplaceAll(r.Refused.Error(), "\n", "; "))
	}
	return strings.Join(parts, "; ")
}

// countTry enters that a try to open the adapter has not made it work.
func (a *Adapter) countTry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.climb.tries++
}

// place returns a copy of the state of the recovery.
func (a *Adapter) place() climb {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.climb
}

// maxRung returns the highest rung that may be taken on the adapter.
func (a *Adapter) maxRung() Rung {
	if a.recoverer == nil {
		return RungReopen
	}
	if a.m.cfg.MaxRung == 0 {
		return RungUSBReset
	}
	return a.m.cfg.MaxRung
}

// takeRungs takes the step that is due before the next try to open the adapter. If its
// rung cannot be taken, the first step of the rung above is.
func (a *Adapter) takeRungs(ctx context.Context) {
	at := a.place()
	if at.tries < reopenings {
		return
	}
	_, why := a.State()
	i, ok := at.dueStep(time.Now())
	var refused []error
	for ; ok && i < len(steps) && steps[i].rung <= a.maxRung() && steps[i].rung.mayHelp(why); i = nextRung(i) {
		rung := steps[i].rung
		err := a.takeRung(ctx, rung)
		switch {
		case ctx.Err() != nil:
			return
		case !errors.Is(err, ErrNoRung):
			a.recordRung(i, err, errors.Join(refused...))
			return
		}
		err = fmt.Errorf("%v %w", rung, err)
		refused = append(refused, err)
		a.logRefusal(err)
	}
	if ok {
		a.mu.Lock()
		a.climb.idle, a.recovery.Refused = true, errors.Join(refused...)
		a.mu.Unlock()
	}
}

// mayHelp reports whether a rung can help against the reason for which an adapter is not
// up. An adapter that another process uses, or that is switched off, is not broken; a power
// cycle may get it back, and lifts a soft block.
func (r Rung) mayHelp(why error) bool {
	e, ok := errors.AsType[*hcisock.OpenError](why)
	if !ok {
		return true
	}
	switch e.Cause {
	case hcisock.CauseBusy, hcisock.CauseRFKill:
		return r == RungPowerCycle
	case hcisock.CauseAddress, hcisock.CauseUnsupported, hcisock.CauseNoBluetooth, hcisock.CauseNamespace,
		hcisock.CausePermission, hcisock.CauseUnreachable, hcisock.CauseCanceled:
		return false
	case hcisock.CauseUnknown, hcisock.CauseNoAdapter, hcisock.CauseDriver:
	}
	return true
}

// takeRung takes a rung.
func (a *Adapter) takeRung(ctx context.Context, rung Rung) error {
	ctx, cancel := context.WithTimeout(ctx, rungTimeout)
	defer cancel()
	return a.recoverer.Recover(ctx, a.findAddress(), rung)
}

// recordRung enters that step i was taken, with its error, and why rungs below it were not.
func (a *Adapter) recordRung(i int, err, refused error) {
	now, rung := time.Now(), steps[i].rung
	a.mu.Lock()
	a.climb.next, a.climb.taken, a.climb.idle = i+1, now, false
	a.recovery = Recovery{Rung: rung, Steps: a.recovery.Steps + 1, Time: now, Err: err, Refused: refused}
	tries, why := a.climb.tries, a.err
	a.mu.Unlock()
	a.m.log.Warn("adapter recovery", "adapter", a.name, "rung", rung.String(), "tries", tries, "reason", why, "error", err)
	a.m.bus.emitEvent(RungTaken{now, a.name, rung, err})
}

// logRefusal logs why a rung was not taken, each reason once.
func (a *Adapter) logRefusal(err error) {
	a.mu.Lock()
	known := a.refusals[err.Error()]
	if !known && len(a.refusals) < maxRefusals {
		a.refusals[err.Error()] = true
	}
	a.mu.Unlock()
	switch {
	case known:
	case lacksPermission(err):
		a.m.log.Warn("adapter recovery: the permission is missing", "adapter", a.name, "error", err)
	default:
		a.m.log.Debug("adapter recovery: the rung is left out", "adapter", a.name, "error", err)
	}
}

// lacksPermission reports whether err says that this process lacks a permission.
func lacksPermission(err error) bool {
	e, ok := errors.AsType[*hcisock.OpenError](err)
	return ok && e.Cause == hcisock.CausePermission || errors.Is(err, fs.ErrPermission)
}

// maxRefusals bounds the reasons that are remembered, which may hold numbers of devices.
const maxRefusals = 64

// checkWork ends the recovery of an adapter that is up, unless its controller still owes a
// proof of its work, and reports whether it did. opened is the time since which it is up.
func (a *Adapter) checkWork(opened time.Time) bool {
	a.proveReports(opened)
	a.mu.Lock()
	owed, r := a.climb.owed, a.recovery
	if owed == proofNone {
		a.climb, a.recovery = climb{}, Recovery{}
	}
	a.mu.Unlock()
	if owed == proofNone && r.Rung != 0 {
		a.m.log.Info("adapter works again", "adapter", a.name, "rung", r.Rung.String(), "steps", r.Steps)
	}
	return owed == proofNone
}

// prove enters a sign that the controller works.
func (a *Adapter) prove(p proof) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.climb.owed == p {
		a.climb.owed = proofNone
	}
}

// proveReports enters the sign that the adapter has heard a device since it was opened.
func (a *Adapter) proveReports(opened time.Time) {
	if a.place().owed == proofReport && a.m.devices.heardSince(a.name, opened) {
		a.prove(proofReport)
	}
}

// mayClimb reports whether a reset for the lack of a proof leads to more than another
// reopening.
func (a *Adapter) mayClimb() bool {
	at := a.place()
	i, due := at.dueStep(time.Now())
	return due && !at.idle && steps[i].rung <= a.maxRung()
}

// worsen enters that the adapter is reset for the lack of a proof. If it was reset for that
// before, opening it once more does not help.
func (a *Adapter) worsen(owed proof) {
	again := a.place().owed == owed && a.mayClimb()
	a.mu.Lock()
	defer a.mu.Unlock()
	if again {
		a.climb.tries = max(a.climb.tries, reopenings-1) // this one is counted, too
	}
	a.climb.owed = owed
}

// insist reports whether an adapter that was reset for the lack of a proof is to be reset
// again for it.
func (a *Adapter) insist(p proof) bool { return a.place().owed != p || a.mayClimb() }
