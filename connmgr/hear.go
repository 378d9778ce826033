package connmgr

import (
	"context"
	"sync"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// hearer takes the reports of an adapter.
type hearer struct {
	// scans is called with nil when the adapter scans, and with the reason when it
	// does not although it is up.
	scans func(err error)
	// report takes a report and the identity address of its device.
	report func(r *controller.Report, device hci.Addr)
	// lost is called with the number of reports that were lost before the next one,
	// often 0; nil is nobody.
	lost func(n uint64)
}

// hearReports scans on an adapter that is up, until ctx ends or the scan does, and
// returns why.
func hearReports(ctx context.Context, h *host.Host, o *controller.ScanOptions, to hearer) error {
	err := takeReports(ctx, h, o, to)
	if isRefusal(ctx, h, err) {
		to.scans(err)
	}
	return err
}

func takeReports(ctx context.Context, h *host.Host, o *controller.ScanOptions, to hearer) error {
	sc, err := h.Scan(ctx, o)
	if err != nil {
		return err
	}
	defer sc.Close()
	to.scans(nil)
	var lost uint64
	for r, err := range sc.All(ctx) {
		if err != nil {
			return err
		}
		if to.lost != nil {
			total := sc.Dropped()
			to.lost(total - lost)
			lost = total
		}
		to.report(&r, identityOf(h, r.Addr))
	}
	return context.Cause(ctx)
}

// rememberDevices returns the hearer that the Manager remembers devices by.
func (a *Adapter) rememberDevices(h *host.Host) hearer {
	return hearer{
		scans:  func(err error) { a.recordScan(h, err) },
		report: func(r *controller.Report, device hci.Addr) { a.m.devices.addReport(a.name, device, r) },
	}
}

// listenAlways remembers the devices that an adapter hears, as long as it is up, and
// watches over its scan.
func (a *Adapter) listenAlways(ctx context.Context, h *host.Host) {
	a.recordOpening()
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() { a.watchSilence(ctx, h) })
	if a.m.cfg.DisableScan {
		return
	}
	for ctx.Err() == nil {
		_ = hearReports(ctx, h, &controller.ScanOptions{Passive: a.m.cfg.PassiveScan, Duplicates: true}, a.rememberDevices(h))
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
	return hearReports(ctx, h, o, a.rememberDevices(h))
}
