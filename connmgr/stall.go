package connmgr

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// stallRest is the time in which one peer alone causes at most one reset: if the reset
// does not help, the fault is not the adapter's.
const stallRest = 10 * time.Minute

// stall is the latest reset after data that the controller kept.
type stall struct {
	peer hci.MAC
	at   time.Time
}

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
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stalled.peer == peer && now.Sub(a.stalled.at) < stallRest {
		return
	}
	a.stalled = stall{peer, now}
	select {
	case a.reset <- struct{}{}:
	default:
	}
}
