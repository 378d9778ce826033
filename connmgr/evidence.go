package connmgr

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

const (
	// evidenceLife is how long the evidence about a device counts after its last sign.
	evidenceLife = 10 * time.Minute
	// maxEvidence bounds the devices with evidence. Those with the oldest signs go first.
	maxEvidence = 1024
	// answerLate is the time without an answer after which the end of a call tells against
	// the step that it cuts short.
	answerLate = 5 * time.Second
	// sparedFor is the value of evidence.spared after a link has ended at its first request,
	// whatever that was.
	sparedFor = 2
)

// evidence is the conclusion from the failures of one device since its last success. It
// decides about the next plan, and becomes traits of the device when a try succeeds with
// that plan. The Manager keeps it between the calls of Establish, so that calls of one
// attempt each learn from each other as the attempts of one call do.
type evidence struct {
	seen   time.Time       // the last sign; zero: there is none
	failed map[Step]string // the steps that links have ended in, with the failure
	// spared is the number of failures in the first step of a link to wait for before
	// that step is left out again.
	spared int
	// unsure reports that the device has ended links at their first request, whatever that
	// was. It is busy, or gone: the steps in failed do not become traits.
	unsure bool
	// relaxed is how often longer parameters were asked for, and relaxedFor the end of the
	// link that they might have saved.
	relaxed    int
	relaxedFor string
	outdated   bool // a cached table was not the device's
	// doubts is the number of failures in a row, all of the row doubted, that cast doubt on
	// the bond.
	doubts  int
	doubted string
}

// addTry adds the failure of a try, which need not have a class yet.
func (h *evidence) addTry(at *Attempt) {
	t := at.try
	if t.refusal != "" {
		h.failStep(StepDiscovery, t.refusal)
	}
	if t.made && (t.unanswered > 0 || mayBlame(at.Err)) {
		h.blameStep(at)
	}
}

// blameStep finds the step that may have ended the link. The first loss of a link that
// longer parameters may prevent tells nothing about the step.
func (h *evidence) blameStep(at *Attempt) {
	t, why := at.try, at.Err.Error()
	if t.unanswered > 0 {
		why = fmt.Sprintf("no answer for %v, until the call ended: %v", t.unanswered, at.Err)
	}
	if errclass.Of(at.Err).Action.Has(errclass.RelaxParams) {
		h.relaxedFor = why
		if t.plan.relaxed == 0 && !t.plan.skips(StepInitialParams) {
			return
		}
	}
	switch {
	case !t.alive && (h.failed[StepMTU] != "" || h.failed[StepDiscovery] != ""):
		// The device ends the link at the first request, whatever that is.
		delete(h.failed, StepMTU)
		delete(h.failed, StepDiscovery)
		h.spared, h.unsure, h.seen = sparedFor, true, time.Now()
	case t.step == "":
	case !t.alive && h.spared > 0:
		h.spared--
	default:
		h.failStep(t.step, why)
	}
}

func (h *evidence) failStep(s Step, why string) {
	if h.failed == nil {
		h.failed = map[Step]string{}
	}
	h.failed[s], h.seen = why, time.Now()
}

// addClass adds the class of the failure of a try.
func (h *evidence) addClass(at *Attempt) {
	do, in := at.Class.Action, at.Situation
	if do.Has(errclass.RelaxParams) && h.relaxed < len(relaxedParams) {
		h.relaxed, h.seen = h.relaxed+1, time.Now()
	}
	if do.Has(errclass.Rediscover) && in != nil && in.Cached {
		h.outdated, h.seen = true, time.Now()
	}
	if !at.doubtsBond() {
		h.doubts = 0
		return
	}
	if h.doubted != at.Class.Row {
		h.doubts, h.doubted = 0, at.Class.Row
	}
	h.doubts, h.seen = h.doubts+1, time.Now()
}

// doubtsBond reports whether a failure casts doubt on the bond that its link has used.
func (at *Attempt) doubtsBond() bool {
	return at.Class.Action.Has(errclass.CheckBond) && at.Situation != nil && at.Situation.Encrypted
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
	case hci.StatusConnectionTimeout, hci.StatusRemoteUserTerminated, hci.StatusRemoteLowResources, hci.StatusRemotePowerOff,
		hci.StatusUnsupportedRemoteFeature,
		hci.StatusInvalidLMPParameters, hci.StatusUnspecified, hci.StatusLLResponseTimeout, hci.StatusLMPPDUNotAllowed,
		hci.StatusInstantPassed, hci.StatusDifferentTransaction, hci.StatusUnacceptableParameters:
		return true
	default:
		return false
	}
}

// lateAnswer returns the time for which the device has not answered a request, though its
// link is up; 0 if that is not long, or if the link may be lost.
func (l *link) lateAnswer() time.Duration {
	since, busy := l.conn.Bearer().Outstanding()
	late := time.Since(since)
	if !busy || late < max(answerLate, l.conn.Link().State().Params.Timeout+settleMargin) {
		return 0
	}
	return late.Round(100 * time.Millisecond)
}

// evidences is the evidence about all devices, in memory only. A device is known by the
// address that calls use for it.
type evidences struct {
	mu  sync.Mutex
	all map[hci.MAC]evidence // guarded by mu; nil before the first
}

// recall returns the evidence about a device.
func (es *evidences) recall(device hci.MAC) evidence {
	es.mu.Lock()
	defer es.mu.Unlock()
	return es.recallLocked(device)
}

// recallLocked is recall. es.mu must be held.
func (es *evidences) recallLocked(device hci.MAC) evidence {
	h := es.all[device]
	if time.Since(h.seen) >= evidenceLife {
		return evidence{}
	}
	h.failed = maps.Clone(h.failed)
	return h
}

// learn adds to the evidence about a device.
func (es *evidences) learn(device hci.MAC, add func(h *evidence)) {
	es.mu.Lock()
	defer es.mu.Unlock()
	h := es.recallLocked(device)
	if add(&h); h.seen.IsZero() {
		return
	}
	if es.all == nil {
		es.all = map[hci.MAC]evidence{}
	}
	if _, known := es.all[device]; !known && len(es.all) >= maxEvidence {
		es.forgetOldestLocked()
	}
	es.all[device] = h
}

// forgetOldestLocked drops the evidence with the oldest signs. es.mu must be held.
func (es *evidences) forgetOldestLocked() {
	var oldest hci.MAC
	var seen time.Time
	for device, h := range es.all {
		if seen.IsZero() || h.seen.Before(seen) {
			oldest, seen = device, h.seen
		}
	}
	delete(es.all, oldest)
}

// rename keeps the evidence about a device that has another address now.
func (es *evidences) rename(was, now hci.MAC) {
	es.mu.Lock()
	defer es.mu.Unlock()
	if h, ok := es.all[was]; ok && was != now {
		delete(es.all, was)
		es.all[now] = h
	}
}

// forget drops the evidence about a device.
func (es *evidences) forget(device hci.MAC) {
	es.mu.Lock()
	defer es.mu.Unlock()
	delete(es.all, device)
}
