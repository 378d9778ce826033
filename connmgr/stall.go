package connmgr

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// stalls are the peers whose data the controller has kept, and for which it was reset.
// If the data of such a peer is kept again before any of it was acknowledged, the reset
// has not helped: the peer is at fault, and costs no further reset.
type stalls map[hci.MAC]struct{}

// recordStall requests a reset of the adapter if its controller has kept the data of a
// link to peer, unless another link is up. The controller ends by itself if this
// happens to two peers.
func (a *Adapter) recordStall(peer hci.MAC, end error) {
	if !errors.Is(end, controller.ErrNoDataCredit) {
		return
	}
	h := a.up()
	if h == nil || len(h.Controller().Links()) > 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, again := a.stalled[peer]; again {
		return
	}
	if len(a.stalled) >= maxDevices {
		clear(a.stalled)
	}
	a.stalled[peer] = struct{}{}
	a.requestReset(proofData, fmt.Errorf("data to %v: %w", peer, controller.ErrNoDataCredit))
}
