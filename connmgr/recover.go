package connmgr

import (
	"errors"
	"slices"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// A controller may report a fault of its own and go on working: some answer 0x03 when
// they mean that they are busy. Others need a reset, which ends all links. So several
// faults in a row are evidence that an adapter does not work, and it is reset only while
// it has no link. A peer whose dials alone meet faults is given one reset: if that does
// not help, the fault is not the adapter's.

// sickAfter is the number of faults in a row, without a link made in between, after which
// an adapter is reset.
const sickAfter = 3

// faults is the evidence against a controller, since it was opened or made a link.
type faults struct {
	events []fault // the last sickAfter
	// blamed is the peer whose dials alone led to the last reset.
	blamed hci.MAC
}

// fault is one fault that the controller has reported.
type fault struct {
	initiation uint64  // controller.ConnectError.Initiation
	peer       hci.MAC // zero if several dials failed by the same event
}

// addFault enters a failed dial to a peer. Dials that shared an initiation failed by one
// event.
func (f *faults) addFault(peer hci.MAC, initiation uint64) {
	i := slices.IndexFunc(f.events, func(e fault) bool { return initiation != 0 && e.initiation == initiation })
	switch {
	case i < 0:
		f.events = append(f.events, fault{initiation, peer})
		f.events = f.events[max(0, len(f.events)-sickAfter):]
	case f.events[i].peer != peer:
		f.events[i].peer = hci.MAC{}
	}
}

// convict reports whether the evidence suffices for a reset, and notes the peer that is
// to blame for it.
func (f *faults) convict() bool {
	if len(f.events) < sickAfter {
		return false
	}
	by := f.events[0].peer
	for _, e := range f.events {
		if e.peer != by {
			by = hci.MAC{}
		}
	}
	if by != (hci.MAC{}) && by == f.blamed {
		return false
	}
	f.blamed, f.events = by, nil
	return true
}

// acquit drops the evidence after a successful dial to peer.
func (f *faults) acquit(peer hci.MAC) {
	f.events = nil
	if f.blamed == peer {
		f.blamed = hci.MAC{}
	}
}

// clearFaults drops the evidence: the controller has made a link to peer.
func (a *Adapter) clearFaults(peer hci.MAC) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults.acquit(peer)
}

// recordFault adds the failure of a dial to the evidence, if it is a fault of the
// controller, and requests a reset if the evidence suffices.
func (a *Adapter) recordFault(peer hci.MAC, err error) {
	h := a.up()
	if h == nil {
		return
	}
	idle := len(h.Controller().Links()) == 0
	a.mu.Lock()
	defer a.mu.Unlock()
	reset := false
	switch {
	case errors.Is(err, controller.ErrStillInitiating), errors.Is(err, controller.ErrUnknownLink):
		reset = idle // it does not recover by itself
	case errclass.Of(err).Action.Has(errclass.RecoverAdapter):
		var initiation uint64
		if e, ok := errors.AsType[*controller.ConnectError](err); ok {
			initiation = e.Initiation
		}
		a.faults.addFault(peer, initiation)
		reset = idle && a.faults.convict()
	}
	if reset {
		select {
		case a.reset <- struct{}{}:
		default:
		}
	}
}

// awaitReset waits for the end of the host, and returns its reason, or errReset once a
// reset has been requested and no link has come up since.
func (a *Adapter) awaitReset(h *host.Host, closed <-chan struct{}) error {
	for {
		select {
		case <-h.Done():
			return h.Err()
		case <-a.reset:
			if len(h.Controller().Links()) == 0 {
				return errReset
			}
		case <-closed:
			return errManagerClosed
		}
	}
}

// errReset is the reason for a reset after repeated faults of the controller.
var errReset = &controller.Error{What: "reset", Err: errors.New("repeated faults of the controller")}
