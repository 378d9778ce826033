package connmgr

import (
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// lessons are what the attempts of one Establish learn of what the device cannot take.
// A step that a link has ended in is left out of the next attempt; if that succeeds,
// the device's traits have it.
type lessons struct {
	kept []Trait         // from earlier calls; read at each attempt
	left map[Step]string // left out since a failed attempt, with the reason
	lost string          // how the last link ended that longer parameters may have saved
	// wary is the number of failures in the first step of a link to wait for before that
	// step is left out again. The device has ended links at whatever came first: it is
	// busy, or gone.
	wary int
	busy bool // it has done so: what helps then is not kept

	// Of the present attempt:
	step  Step   // the step under way
	alive bool   // the device has answered a request
	taken []Step // the steps that it has taken
}

// waryFor is the value of lessons.wary after such a failure.
const waryFor = 2

// omits reports whether a step is left out of the present attempt.
func (ls *lessons) omits(s Step) bool {
	if _, ok := ls.left[s]; ok {
		return true
	}
	return slices.ContainsFunc(ls.kept, func(t Trait) bool { return t.Step == s && time.Now().Before(t.Until()) })
}

// startAttempt forgets the last attempt.
func (ls *lessons) startAttempt(kept []Trait) {
	ls.kept, ls.step, ls.alive, ls.taken = kept, "", false, nil
}

// tryStep runs a step that the device may fail.
func (ls *lessons) tryStep(s Step, run func() error) error {
	ls.step = s
	err := run()
	if err == nil {
		ls.step, ls.alive = "", true
		ls.taken = append(ls.taken, s)
	}
	return err
}

// learnFrom leaves out of the next attempt what may have ended the link of this one. The
// first loss of a link that longer parameters may prevent is the remedies' alone.
func (x *attempts) learnFrom(err error) {
	ls := &x.lessons
	if !mayBlame(err) || x.m.policyFor(x.opts).Treatment != errclass.Default {
		return
	}
	if errclass.Of(err).Action.Has(errclass.RelaxParams) {
		ls.lost = err.Error()
		if x.relaxed == 0 && !ls.omits(StepInitialParams) {
			return
		}
	}
	switch {
	case !ls.alive && (ls.left[StepMTU] != "" || ls.left[StepDiscovery] != ""):
		// It ends the link at the first request, whatever that is.
		delete(ls.left, StepMTU)
		delete(ls.left, StepDiscovery)
		ls.wary, ls.busy = waryFor, true
	case ls.step == "":
	case !ls.alive && ls.wary > 0:
		ls.wary--
	default:
		ls.leaveOut(ls.step, err)
	}
}

func (ls *lessons) leaveOut(s Step, err error) {
	if ls.left == nil {
		ls.left = map[Step]string{}
	}
	ls.left[s] = err.Error()
}

// mayBlame reports whether a link may have ended because of a step of this host:
// the device hung up, went silent, or did not answer.
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

// keepLessons writes down what the attempts have learned, once one has succeeded.
func (x *attempts) keepLessons(l *link) {
	ts, ls := x.m.traits, &x.lessons
	ts.dropOutdated(l.peer, l.tableName())
	ts.dropTraits(l.peer, ls.taken...)
	if x.relaxed > 0 && x.opts.InitialParams == (hci.ConnParams{}) {
		ts.storeTrait(l.peer, l.tableName(), StepInitialParams, ls.lost)
	}
	if ls.busy {
		return
	}
	for s, why := range ls.left {
		x.m.log.Debug("the device cannot take a step", "address", l.peer, "step", s, "error", why)
		ts.storeTrait(l.peer, l.tableName(), s, why)
	}
}

// tableName returns the Database Hash of the table in use, in hex; "" if it is not
// known.
func (l *link) tableName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.profile == nil {
		return ""
	}
	hash, ok := l.profile.Hash()
	if !ok {
		return ""
	}
	return hex.EncodeToString(hash[:])
}

// refusesDiscovery reports whether the device has refused a step of the discovery of
// its table, for another reason than the security of the link or a change of the table.
func refusesDiscovery(err error) bool {
	if _, ok := errors.AsType[*gatt.DiscoveryError](err); !ok || !isATT(err) || errors.Is(err, gatt.ErrStale) {
		return false
	}
	return !errclass.Of(err).Action.Has(errclass.Secure)
}
