package host

import (
	"context"

	"github.com/moor-ble/moor/controller"
)

// loadResolvingList has the controller resolve the addresses of bonded peers, as
// many as it can.
func (h *Host) loadResolvingList(ctx context.Context) {
	if _, err := h.smp.LoadResolvingList(ctx, h.ctl); err != nil && h.log != nil && h.ctl.Err() == nil {
		h.log.Log(ctx, controller.LevelController, "private addresses are resolved by the host alone", "error", err)
	}
}

// followBonds follows a bond that came or went. Whoever saved it does not wait
// for the controller. There is one goroutine at a time, which loads the list
// again if bonds have changed meanwhile, and ends with the device at the latest.
func (h *Host) followBonds() {
	if h.bondChanges.Add(1) > 1 {
		return
	}
	go func() {
		for done := false; !done; {
			seen := h.bondChanges.Load()
			h.loadResolvingList(context.Background())
			done = h.bondChanges.CompareAndSwap(seen, 0)
		}
	}()
}
