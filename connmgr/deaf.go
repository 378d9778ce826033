package connmgr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/host"
)

// A controller may refuse to scan, or scan and report nothing. It may still connect, so
// its adapter stays up; but the Manager says so, and resets the adapter while it has no
// link. If the reset does not help, the Manager climbs the ladder, see ladder.go; a reset
// that leads no higher is not repeated.

// silenceAfterReset is how long an adapter that was reset for its silence may be silent. The
// controller itself does not watch a scan that never had a report.
const silenceAfterReset = 90 * time.Second

// silenceCheck is how often the counters of a controller are read for scans that stay
// silent.
const silenceCheck = 10 * time.Second

// One device may have gone, and two. So many that fall silent within silentTogether are a
// sign that the adapter no longer hears them.
const (
	silentDevices  = 3
	silentTogether = time.Minute
)

// deafness is the evidence against the scan of an adapter.
type deafness struct {
	err      error     // why the adapter does not scan; nil while it scans, and at first
	at       time.Time // of the last refusal
	refusals int       // in a row, since the adapter was opened
	scanned  bool      // once at least, since the Manager was opened
}

// ScanErr returns why the adapter does not scan although it is up: the answer of its
// controller to the last try. It is nil while the adapter scans, and with
// Config.DisableScan until a scan fails. See ScanChanged.
func (a *Adapter) ScanErr() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.deaf.err
}

// HasScanned reports whether the controller of the adapter has begun to scan, at least
// once since the Manager was opened. A report shows it, even before the controller has
// answered the command.
func (a *Adapter) HasScanned() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.deaf.scanned || a.hears.Load()
}

// recordScan records that the adapter scans, with nil, or why it does not.
func (a *Adapter) recordScan(h *host.Host, err error) {
	a.mu.Lock()
	d := &a.deaf
	changed := (d.err == nil) != (err == nil)
	if d.err = err; err == nil {
		d.refusals, d.scanned = 0, true
	} else {
		d.refusals++
		d.at = time.Now()
	}
	sick := d.refusals >= sickAfter
	a.mu.Unlock()
	if err == nil {
		a.prove(proofScan)
	}
	if changed {
		if err != nil {
			a.m.log.Warn("adapter does not scan", "adapter", a.name, "error", err)
		} else {
			a.m.log.Debug("adapter scans again", "adapter", a.name)
		}
		a.m.bus.emitEvent(ScanChanged{time.Now(), a.name, err})
	}
	a.m.wake.signal(news{adapterChanged, a})
	if sick && a.insist(proofScan) && a.resetIdle(h, proofScan, fmt.Errorf("the scan is refused: %w", err)) {
		a.m.log.Warn("adapter is reset: it does not scan", "adapter", a.name, "error", err)
	}
}

// recordOpening records that the adapter has been opened.
func (a *Adapter) recordOpening() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deaf.refusals = 0
}

// watchSilence resets the adapter when its scan stays silent although it was restarted,
// if it has heard several devices until then.
func (a *Adapter) watchSilence(ctx context.Context, h *host.Host) {
	opened, tick := time.Now(), time.NewTicker(silenceCheck)
	defer tick.Stop()
	var before uint64
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n := h.Controller().Stats().SilentScans
		silent := n != before && a.m.devices.countLast(a.name) >= silentDevices
		before = n
		if silent || a.staysSilent(opened) {
			if a.insist(proofReport) && a.resetIdle(h, proofReport, errSilent) {
				a.m.log.Warn("adapter is reset: its scan hears nothing any more", "adapter", a.name)
			}
		}
	}
}

// staysSilent reports whether the adapter, which is up since opened, was reset for its
// silence and has heard nothing since.
func (a *Adapter) staysSilent(opened time.Time) bool {
	a.proveReports(opened)
	return a.place().owed == proofReport && !a.m.cfg.DisableScan && time.Since(opened) >= silenceAfterReset
}

// heardSince reports whether an adapter has heard a device since a time.
func (ds *devices) heardSince(adapter string, t time.Time) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, e := range ds.heard {
		if d := e.byAdapter(adapter); d != nil && d.Seen.After(t) {
			return true
		}
	}
	return false
}

// countLast returns the number of devices that an adapter has heard within
// silentTogether before the last report.
func (ds *devices) countLast(adapter string) int {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	var seen []time.Time
	var last time.Time
	for _, e := range ds.heard {
		if d := e.byAdapter(adapter); d != nil {
			seen, last = append(seen, d.Seen), latest(last, d.Seen)
		}
	}
	n := 0
	for _, t := range seen {
		if last.Sub(t) < silentTogether {
			n++
		}
	}
	return n
}

// errSilent is the reason for a reset of an adapter whose scan stays silent.
var errSilent = errors.New("the scan reports nothing any more")

// resetIdle requests a reset of an adapter that has no link, and reports whether it did.
func (a *Adapter) resetIdle(h *host.Host, owed proof, reason error) bool {
	return len(h.Controller().Links()) == 0 && a.requestReset(owed, reason)
}

// scanErrSince is ScanErr, but with Config.DisableScan, a refusal from before since does
// not count: there was no scan meanwhile.
func (a *Adapter) scanErrSince(since time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m.cfg.DisableScan && a.deaf.at.Before(since) {
		return nil
	}
	return a.deaf.err
}

// whyDeaf returns why no adapter has scanned since a time, an *AdapterError for each, or
// nil if one scans or is about to. lasts is false if one of them is on its way up.
func (m *Manager) whyDeaf(since time.Time) (reason error, lasts bool) {
	if m.ctx.Err() != nil {
		return errManagerClosed, true
	}
	var all []error
	lasts = true
	for _, a := range m.Adapters() {
		state, err := a.State()
		if state == AdapterUp {
			err = a.scanErrSince(since)
		} else {
			state, lasts = AdapterDown, lasts && !a.comesUp()
		}
		if err == nil {
			return nil, false
		}
		all = append(all, &AdapterError{a.name, state, err})
	}
	return errors.Join(all...), lasts
}

// endOfWait returns the error of a wait since a time for a report that ctx has ended.
func (m *Manager) endOfWait(ctx context.Context, since time.Time) error {
	if reason, _ := m.whyDeaf(since); reason != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), reason)
	}
	return context.Cause(ctx)
}

// awaitDeaf waits until no adapter scans, and reports false if ctx ends first.
func (m *Manager) awaitDeaf(ctx context.Context) bool {
	since := time.Now()
	for {
		changed := m.wake.await(news{change: adapterChanged})
		if _, lasts := m.whyDeaf(since); lasts {
			return m.ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// isRefusal reports whether the controller of a host that is up has refused to scan. Other
// errors are those of the caller, or of the host's end.
func isRefusal(ctx context.Context, h *host.Host, err error) bool {
	_, refused := errors.AsType[*controller.CommandError](err)
	return ctx.Err() == nil && refused && h.Err() == nil
}
