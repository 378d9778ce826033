package connmgr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// A controller may report a fault of its own and go on working: some answer 0x03 when
// they mean that they are busy. Others need a reset, which ends all links. So several
// faults in a row are evidence that an adapter does not work, and it is reset only while
// it has no link. A peer whose dials alone met these faults is given one reset, several are
// given two, of which the second may be on the next rung: if that does not help, the fault is
// probably not the adapter's. So the faults of these peers count no more until there is a
// link to them, or an hour is over.

// sickAfter is the number of faults in a row, without a link made in between, after which
// an adapter is reset.
const sickAfter = 3

// blamedFor is how long the faults of a peer do not count after a reset for their sake.
const blamedFor = time.Hour

// maxFaults bounds the faults that are remembered, with those that count for nothing.
const maxFaults = 4 * sickAfter

// faults is the evidence against a controller, since it was opened or made a link.
type faults struct {
	events []fault // the last maxFaults
	// blamed are the peers whose dials met the faults that led to resets, with the time
	// of the reset.
	blamed map[hci.MAC]time.Time
	// spared reports that the faults of several peers have led to a reset for which no peer
	// was blamed.
	spared bool
}

// fault is one fault that the controller has reported.
type fault struct {
	initiation uint64    // controller.ConnectError.Initiation
	peers      []hci.MAC // several if their dials failed by the same event
}

// addFault enters a failed dial to a peer. Dials that shared an initiation failed by one
// event.
func (f *faults) addFault(peer hci.MAC, initiation uint64) {
	i := slices.IndexFunc(f.events, func(e fault) bool { return initiation != 0 && e.initiation == initiation })
	if i >= 0 {
		f.events[i].peers = append(f.events[i].peers, peer)
		return
	}
	f.events = append(f.events, fault{initiation, []hci.MAC{peer}})
	f.events = f.events[max(0, len(f.events)-maxFaults):]
}

// convict reports whether the evidence suffices for a reset, and blames the peers whose
// dials it is from. A fault that a blamed peer shared is none of the adapter's.
func (f *faults) convict(now time.Time) bool {
	maps.DeleteFunc(f.blamed, func(_ hci.MAC, at time.Time) bool { return now.Sub(at) >= blamedFor })
	evidence := slices.DeleteFunc(slices.Clone(f.events), func(e fault) bool { return slices.ContainsFunc(e.peers, f.isBlamed) })
	if len(evidence) < sickAfter {
		return false
	}
	f.events = nil
	if !f.spared && slices.ContainsFunc(evidence, func(e fault) bool { return !slices.Equal(e.peers, evidence[0].peers) }) {
		f.spared = true
		return true
	}
	f.spared = false
	if f.blamed == nil || len(f.blamed) >= maxDevices {
		f.blamed = map[hci.MAC]time.Time{}
	}
	for _, e := range evidence {
		for _, p := range e.peers {
			f.blamed[p] = now
		}
	}
	return true
}

func (f *faults) isBlamed(peer hci.MAC) bool {
	_, ok := f.blamed[peer]
	return ok
}

// acquit drops the evidence after a successful dial to peer.
func (f *faults) acquit(peer hci.MAC) {
	f.events, f.spared = nil, false
	delete(f.blamed, peer)
}

// clearFaults drops the evidence: the controller has made a link to peer.
func (a *Adapter) clearFaults(peer hci.MAC) {
	a.prove(proofLink)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults.acquit(peer)
}

// recordFault adds the failure of a dial to the evidence, if it is a fault of the
// controller, and requests a reset if the evidence suffices.
func (a *Adapter) recordFault(peer hci.MAC, err error) {
	h := a.up()
	if h != nil && a.weighFault(peer, err, len(h.Controller().Links()) == 0) {
		a.m.log.Debug("the faults are left to their peer", "adapter", a.name, "address", peer, "error", err)
	}
}

// weighFault is recordFault for an adapter that is idle or not. It reports whether the
// evidence would suffice, if it were not that of one peer alone.
func (a *Adapter) weighFault(peer hci.MAC, err error, idle bool) (spared bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, controller.ErrStillInitiating), errors.Is(err, controller.ErrUnknownLink):
		if idle { // it does not recover by itself
			a.requestReset(proofLink, err)
		}
	case errclass.Of(err).Action.Has(errclass.RecoverAdapter):
		var initiation uint64
		if e, ok := errors.AsType[*controller.ConnectError](err); ok {
			initiation = e.Initiation
		}
		a.faults.addFault(peer, initiation)
		switch {
		case !idle:
		case a.faults.convict(time.Now()):
			a.requestReset(proofLink, fmt.Errorf("%d faults of the controller in a row, the last: %w", sickAfter, err))
		default:
			return len(a.faults.events) == sickAfter
		}
	}
	return false
}

// resetRequest is a request to reset an adapter, for a reason. The proof is the sign of
// work whose lack led to it.
type resetRequest struct {
	owed   proof
	reason error
}

// requestReset requests a reset of the adapter, and reports whether none was requested
// before.
func (a *Adapter) requestReset(owed proof, reason error) bool {
	select {
	case a.reset <- resetRequest{owed, reason}:
		return true
	default:
		return false
	}
}

// awaitReset waits for the end of the host, and returns its reason, or that of a reset
// that has been requested, if no link has come up since. It reports whether the adapter
// has worked meanwhile.
func (a *Adapter) awaitReset(h *host.Host, closed <-chan struct{}) (worked bool, reason error) {
	opened, check := time.Now(), time.NewTicker(worksAfter)
	defer check.Stop()
	for {
		select {
		case <-h.Done():
			return worked, h.Err()
		case <-check.C:
			worked = worked || a.checkWork(opened)
		case r := <-a.reset:
			if len(h.Controller().Links()) == 0 {
				a.worsen(r.owed)
				a.m.log.Debug("adapter is reset", "adapter", a.name, "error", r.reason)
				return worked, resetError(r.reason)
			}
		case <-closed:
			return worked, errManagerClosed
		}
	}
}

// resetError returns the reason for the end of a host that is reset.
func resetError(reason error) error { return &controller.Error{What: "reset", Err: reason} }
