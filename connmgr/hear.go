package connmgr

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// hearer takes the reports of an adapter.
type hearer struct {
	// scans is called with nil when the adapter scans, and with the reason when it
	// does not although it is up.
	scans func(err error)
	// report takes a report and the identity address of its device. It runs on the
	// loop of the controller: it must not block, and clones what it keeps.
	report func(r *controller.Report, device hci.Addr)
	// lost, if set, is called with the number of reports that were lost before the next
	// one, often 0. It runs where report does.
	lost func(n uint64)
	// follow, if set, is called with the scanner once it scans, on a goroutine of its own. It
	// must return when ctx ends.
	follow func(ctx context.Context, sc *controller.Scanner)
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
	own := *o
	var lost uint64
	var running atomic.Pointer[controller.Scanner] // reports may come before Scan returns
	own.OnReport = func(r *controller.Report) {
		if sc := running.Load(); sc != nil && to.lost != nil {
			total := sc.Dropped()
			to.lost(total - lost)
			lost = total
		}
		to.report(r, identityOf(h, r.Addr))
	}
	sc, err := h.Scan(ctx, &own)
	if err != nil {
		return err
	}
	defer sc.Close()
	running.Store(sc)
	to.scans(nil)
	if to.follow != nil {
		follow, stop := context.WithCancel(ctx)
		var following sync.WaitGroup
		following.Go(func() { to.follow(follow, sc) })
		defer following.Wait()
		defer stop()
	}
	_, err = sc.Next(ctx)
	return err
}

// rememberDevices returns the hearer that the Manager remembers devices by.
func (a *Adapter) rememberDevices(h *host.Host) hearer {
	return hearer{
		scans: func(err error) { a.recordScan(h, err) },
		report: func(r *controller.Report, device hci.Addr) {
			a.hears.Store(true)
			a.m.devices.addReport(a.name, device, r)
		},
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
	to := a.rememberDevices(h)
	to.follow = a.m.duty.followDuty
	for ctx.Err() == nil {
		_ = hearReports(ctx, h, &controller.ScanOptions{Passive: a.m.cfg.PassiveScan, Duplicates: true}, to)
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
