package connmgr

import (
	"context"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// hearer takes what an adapter hears.
type hearer struct {
	// started is called when the adapter scans; nil is nobody.
	started func()
	// report takes a report, the identity address of its device, and how many
	// reports were lost before it.
	report func(r *controller.Report, device hci.Addr, lost uint64)
}

// hear scans on an adapter that is up, until ctx ends or the scan does, and
// returns why.
func hear(ctx context.Context, h *host.Host, o *controller.ScanOptions, to hearer) error {
	sc, err := h.Scan(ctx, o)
	if err != nil {
		return err
	}
	defer sc.Close()
	if to.started != nil {
		to.started()
	}
	var lost uint64
	for r, err := range sc.All(ctx) {
		if err != nil {
			return err
		}
		total := sc.Dropped()
		to.report(&r, identify(h, r.Addr), total-lost)
		lost = total
	}
	return context.Cause(ctx)
}

// remember returns the hearer that the Manager remembers devices by.
func (a *Adapter) remember() hearer {
	return hearer{report: func(r *controller.Report, device hci.Addr, _ uint64) {
		a.m.devices.hear(a.name, device, r)
	}}
}

// listen remembers the devices that an adapter hears, as long as it is up.
func (a *Adapter) listen(ctx context.Context, h *host.Host) {
	if a.m.cfg.DisableScan {
		return
	}
	for ctx.Err() == nil {
		_ = hear(ctx, h, &controller.ScanOptions{Passive: a.m.cfg.PassiveScan, Duplicates: true}, a.remember())
		// A controller that refuses to scan may still connect.
		if sleep(ctx, scanRetry) != nil {
			return
		}
	}
}

// listenOnce remembers the devices that an adapter hears until ctx ends, and
// returns why it ended before.
func (a *Adapter) listenOnce(ctx context.Context, o *controller.ScanOptions) error {
	h := a.up()
	if h == nil {
		return a.m.noAdapter(a.name)
	}
	return hear(ctx, h, o, a.remember())
}
