package host

import (
	"context"

	"github.com/moor-ble/moor/hci"
)

// loadResolvingList has the controller resolve the addresses of bonded peers, as
// many as it can.
func (h *Host) loadResolvingList(ctx context.Context) {
	if _, err := h.smp.LoadResolvingList(ctx, h.dev); err != nil && h.log != nil && h.dev.Err() == nil {
		h.log.Log(ctx, hci.LevelDevice, "private addresses are resolved by the host alone", "error", err)
	}
}

// bondChanged follows a bond that came or went. Whoever saved it does not wait
// for the controller; the goroutine ends with the device at the latest.
func (h *Host) bondChanged() {
	go h.loadResolvingList(context.Background())
}
