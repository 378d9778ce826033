package host

import (
	"context"

	"github.com/moor-ble/moor/controller"
)

// loadResolvingList makes the controller resolve the private addresses of as many bonded
// peers as fit.
func (h *Host) loadResolvingList(ctx context.Context) {
	if _, err := h.smp.LoadResolvingList(ctx, h.ctl); err != nil && h.log != nil && h.ctl.Err() == nil {
		h.log.Log(ctx, controller.LevelController, "private addresses are resolved by the host alone", "error", err)
	}
}

// resolvesAddresses reports whether peers may take this central for one that resolves the
// address to which they direct their advertising (Vol 3, Part C, 12.4). With Privacy they
// may not: that is an address made with the key of this host, and the resolving list has
// only those of the peers.
func (h *Host) resolvesAddresses() bool {
	info := h.ctl.KnownInfo()
	return h.cfg.SMP != nil && !h.cfg.SMP.Privacy && info.HasResolvingList()
}

// followBonds loads the resolving list after a change of the bonds. The caller does not
// wait for the controller. There is one goroutine at a time, which loads the list again
// if bonds have changed meanwhile, and ends with the controller at the latest.
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
