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

// faults is the evidence against a controller, since it was opened or made a link.
type faults struct {
	events []fault // the last sickAfter that count
	// blamed are the peers whose dials met the faults that led to resets, with the time
	// of the reset.
	blamed map[hci.MAC]time.Time
	// spared are the peers whose faults have led to a reset for which no peer was blamed.
	spared []hci.MAC
	// last is the number of the last initiation entered; 0 for none.
	last uint64
}

// fault is one fault that the controller has reported: the peers of all dials that failed
// by it.
type fault = []hci.MAC

// addFault enters a fault, and reports whether it counts. A fault that a blamed peer shared
// is none of the adapter's. The calls whose dials shared an initiation enter it once each.
func (f *faults) addFault(now time.Time, initiation uint64, peers fault) bool {
	if initiation != 0 && initiation == f.last {
		return true
	}
	f.last = initiation
	maps.DeleteFunc(f.blamed, func(_ hci.MAC, at time.Time) bool { return now.Sub(at) >= blamedFor })
	if slices.ContainsFunc(peers, f.isBlamed) {
		return false
	}
	f.events = append(f.events, peers)
	f.events = f.events[max(0, len(f.events)-sickAfter):]
	return true
}

// convict reports whether the evidence suffices for a reset, and blames its peers. Several
// peers are spared the first time.
func (f *faults) convict(now time.Time) bool {
	if len(f.events) < sickAfter {
		return false
	}
	suspects := slices.Concat(f.events...)
	spared := f.spared
	f.events, f.spared = nil, nil
	if spared == nil && slices.ContainsFunc(suspects, func(p hci.MAC) bool { return p != suspects[0] }) {
		f.spared = suspects
		return true
	}
	if f.blamed == nil || len(f.blamed) >= maxDevices {
		f.blamed = map[hci.MAC]time.Time{}
	}
	for _, p := range slices.Concat(spared, suspects) {
		f.blamed[p] = now
	}
	return true
}

func (f *faults) isBlamed(peer hci.MAC) bool {
	_, ok := f.blamed[peer]
	return ok
}

// acquit drops the evidence after a successful dial to peer.
func (f *faults) acquit(peer hci.MAC) {
	f.events, f.spared = nil, nil
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
// fault counts for nothing, since one of its peers is blamed.
func (a *Adapter) weighFault(peer hci.MAC, err error, idle bool) (spared bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, controller.ErrStillInitiating), errors.Is(err, controller.ErrUnknownLink):
		if idle { // it does not recover by itself
			a.requestReset(proofLink, err)
		}
	case errclass.Of(err).Action.Has(errclass.RecoverAdapter):
		peers, initiation := fault{peer}, uint64(0)
		if e, ok := errors.AsType[*controller.ConnectError](err); ok {
			initiation = e.Initiation
			for _, p := range e.Shared {
				peers = append(peers, p.MAC)
			}
		}
		now := time.Now()
		if !a.faults.addFault(now, initiation, peers) {
			return true
		}
		if idle && a.faults.convict(now) {
			a.requestReset(proofLink, fmt.Errorf("%d faults of the controller in a row, the last: %w", sickAfter, err))
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
