package connmgr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/internal/queue"
	"github.com/moor-ble/moor/uuid"
)

// ScanOptions holds the options of one Scan. Zero fields have their defaults;
// nil is the same as an empty one. Filters that are set must all match; a list
// matches if any of its elements does.
type ScanOptions struct {
	// Adapters restricts the scan to adapters with these names; default all.
	Adapters []string
	// Passive only listens. The default asks scannable devices for their scan
	// response. While any scan on an adapter is active, all of its scans are.
	Passive bool
	// Duplicates delivers every advertisement. The default delivers a device
	// again, from each adapter, only when its data has changed.
	Duplicates bool
	// Interval and Window set how the controllers listen, 2.5 ms to 10.24 s in steps of
	// 0.625 ms; default 60 ms each, that is, all the time. Of several scans on an adapter,
	// among them the Manager's own, the one with the largest ratio of window to interval
	// decides. The Manager's own listens all the time while another call waits for a device.
	Interval, Window time.Duration
	// PHYs are the PHYs to listen on: hci.PHYs1M, hci.PHYsCoded or both; default 1M.
	// An adapter whose controller lacks the coded PHY does not take part. Nor does one
	// whose controller refuses the coded PHY, or refuses the extended commands, which it
	// needs, from the refusal on: Scan yields an *AdapterError with
	// controller.ErrNoCodedPHY. Scans on 1M alone continue there.
	PHYs hci.PHYs
	// Addresses selects devices by address, with or without kind, as Establish
	// takes them. The identity address of a bonded device selects its private
	// addresses, too.
	Addresses []string
	// Names selects devices by their whole name, NamePrefix by its beginning.
	Names      []string
	NamePrefix string
	// Services selects devices that advertise one of these services.
	Services []uuid.UUID
	// Manufacturers selects devices with manufacturer data of one of these
	// companies.
	Manufacturers []uint16
	// MinRSSI selects advertisements of at least this signal strength in dBm; 0
	// selects all. An unknown signal strength passes.
	MinRSSI int8
	// Queue is how many items wait for the loop at most; default 4096. When the
	// queue is full, the oldest item is dropped and counted in Report.Dropped.
	Queue int
}

// defaultScanQueue is the default of ScanOptions.Queue.
const defaultScanQueue = 4096

// scanRetry is the time after which an adapter whose controller refuses to scan
// is asked again.
const scanRetry = 5 * time.Second

// Scan iterates over the advertisements that all adapters of the Manager hear,
// until the loop is left, ctx ends or the Manager is closed. The last pair then
// has the reason as its error.
//
// The scan survives the loss of adapters. An adapter that does not take part
// yields a pair with an *AdapterError, once: because it is down, or because its
// controller refuses to scan. As soon as the adapter scans again, Scan yields an
// *AdapterError whose Err is nil. In these pairs the Report has no more than
// Adapter and Dropped. A program that logs every error and continues does right:
// only the last error ends the loop. An adapter that is still being opened joins
// silently.
//
// Scan works beside the scan of the Manager itself and beside connections. With
// Config.DisableScan, the Manager remembers the devices that Scan hears.
func (m *Manager) Scan(ctx context.Context, o *ScanOptions) iter.Seq2[Report, error] {
	return func(yield func(Report, error) bool) {
		s, err := m.startScan(ctx, o)
		if err != nil {
			yield(Report{}, err)
			return
		}
		defer s.stopScan()
		for {
			it, err := s.queue.Next(s.ctx)
			if err != nil {
				yield(Report{Dropped: s.takeDropped()}, err)
				return
			}
			it.report.Dropped = s.takeDropped()
			if !yield(it.report, it.err) {
				return
			}
		}
	}
}

// scan is one loop over Scan. Each adapter feeds it on a goroutine of its own.
type scan struct {
	m      *Manager
	ctx    context.Context
	cancel func()
	opts   controller.ScanOptions
	filter scanFilter
	queue  *queue.Ring[scanItem]
	feeds  sync.WaitGroup

	missed atomic.Uint64 // dropped before they came to the queue
	told   uint64        // the dropped items that the loop knows of; owned by the loop
}

// scanItem is a pair that Scan yields.
type scanItem struct {
	report Report
	err    error
}

// startScan starts a scan on all adapters that o selects.
func (m *Manager) startScan(ctx context.Context, o *ScanOptions) (*scan, error) {
	if o == nil {
		o = &ScanOptions{}
	}
	s := &scan{m: m, filter: scanFilter{names: slices.Clone(o.Names), prefix: o.NamePrefix}}
	for _, address := range o.Addresses {
		t, err := parseTarget(address)
		if err != nil {
			return nil, err
		}
		s.filter.targets = append(s.filter.targets, t)
	}
	if err := (&controller.ScanOptions{Interval: o.Interval, Window: o.Window}).Validate(); err != nil {
		return nil, fmt.Errorf("connmgr: %w", err)
	}
	adapters := m.Adapters()
	if o.Adapters != nil {
		adapters = nil
		for _, name := range o.Adapters {
			if err := m.hasAdapter(name); err != nil {
				return nil, err
			}
			adapters = append(adapters, m.Adapter(name))
		}
	}
	if !m.enterCall() { // so that Close waits for the feeds
		return nil, errManagerClosed
	}
	defer m.tasks.Done()
	s.opts = controller.ScanOptions{
		Passive: o.Passive, Duplicates: o.Duplicates, Interval: o.Interval, Window: o.Window, PHYs: o.PHYs,
		Filter: &controller.ScanFilter{
			Services: slices.Clone(o.Services), Manufacturers: slices.Clone(o.Manufacturers), MinRSSI: o.MinRSSI,
		},
	}
	size := defaultScanQueue
	if o.Queue > 0 {
		size = o.Queue
	}
	s.queue = queue.New[scanItem](size)
	s.ctx, s.cancel = m.bindContext(ctx, 0)
	for _, a := range adapters {
		s.feeds.Add(1)
		m.tasks.Go(func() {
			defer s.feeds.Done()
			a.feedScan(s)
		})
	}
	return s, nil
}

// stopScan ends the scan and waits until no adapter feeds it.
func (s *scan) stopScan() {
	s.cancel()
	s.feeds.Wait()
}

// takeDropped returns how many items were dropped since the last call.
func (s *scan) takeDropped() uint64 {
	total := s.queue.Dropped() + s.missed.Load()
	n := total - s.told
	s.told = total
	return n
}

// feedScan feeds s whenever the adapter is up, until the scan ends. deaf is
// whether the loop has been told that the adapter does not take part.
func (a *Adapter) feedScan(s *scan) {
	var deaf bool
	for {
		v := a.view()
		retry := (<-chan time.Time)(nil)
		var lost *AdapterError
		switch {
		case v.host != nil:
			err := a.feedWhileUp(s, v.host, &deaf)
			if s.ctx.Err() != nil {
				return
			}
			// A scanner ends before its controller has ended, whose state follows.
			if _, ended := errors.AsType[*controller.Error](err); ended || v.host.Err() != nil {
				lost = &AdapterError{a.name, AdapterDown, a.whyLost(cmp.Or(v.host.Err(), err))}
				break
			}
			lost, retry = &AdapterError{a.name, AdapterUp, err}, time.After(scanRetry)
		case v.err != nil:
			lost = &AdapterError{a.name, AdapterDown, v.err}
		}
		if lost != nil && !deaf && s.ctx.Err() == nil {
			deaf = true
			s.queue.Push(scanItem{Report{Adapter: a.name}, lost})
		}
		select {
		case <-v.changed:
		case <-retry:
		case <-s.ctx.Done():
			return
		}
	}
}

// whyLost returns why a host has ended with err. If the adapter closed it, as for a
// reset, the adapter's state has the reason.
func (a *Adapter) whyLost(err error) error {
	if _, why := a.State(); why != nil && errors.Is(err, net.ErrClosed) {
		return why
	}
	return err
}

// feedWhileUp feeds s with the reports of one host, and returns why it ended.
func (a *Adapter) feedWhileUp(s *scan, h *host.Host, deaf *bool) error {
	f := feed{scan: s, adapter: a.name, deaf: *deaf}
	err := hearReports(s.ctx, h, &s.opts, hearer{
		scans: func(err error) {
			if a.m.cfg.DisableScan { // else the Manager's own scan decides
				a.recordScan(h, err)
			}
			if err == nil {
				f.addReport(nil, hci.Addr{})
			}
		},
		lost: func(n uint64) { s.missed.Add(n) },
		report: func(r *controller.Report, device hci.Addr) {
			a.hears.Store(true)
			if a.m.cfg.DisableScan {
				a.m.devices.addReport(a.name, device, r)
			}
			if s.filter.matches(r, device) {
				f.addReport(r, device)
			}
		},
	})
	*deaf = f.endFeed()
	return err
}

// feed is the way from the scan of one host to the loop over Scan. The loop of the
// controller may still report when the feed ends, and reports before it says that it
// scans.
type feed struct {
	scan    *scan
	adapter string

	mu    sync.Mutex
	deaf  bool // the loop over Scan believes that the adapter does not scan
	ended bool
}

// addReport passes on a report, and before the first one that the adapter scans again. A
// nil r is the news that it scans, without a report.
func (f *feed) addReport(r *controller.Report, device hci.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	if f.deaf {
		f.deaf = false
		f.scan.queue.Push(scanItem{Report{Adapter: f.adapter}, &AdapterError{f.adapter, AdapterUp, nil}})
	}
	if r != nil {
		f.scan.queue.Push(scanItem{Report{Report: r.Clone(), Adapter: f.adapter, Addr: device}, nil})
	}
}

// endFeed ends the feed, and returns whether the loop still believes that the adapter does
// not scan.
func (f *feed) endFeed() (deaf bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	return f.deaf
}

// scanFilter selects reports by name and identity, which a controller does not know.
type scanFilter struct {
	targets []target
	names   []string
	prefix  string
}

func (f *scanFilter) matches(r *controller.Report, device hci.Addr) bool {
	if len(f.targets) > 0 && !slices.ContainsFunc(f.targets, func(t target) bool { return t.matches(device) || t.matches(r.Addr) }) {
		return false
	}
	if len(f.names) == 0 && f.prefix == "" {
		return true
	}
	name, _ := r.RawName()
	if len(f.names) > 0 && !slices.ContainsFunc(f.names, func(n string) bool { return n == string(name) }) {
		return false
	}
	return len(name) >= len(f.prefix) && string(name[:len(f.prefix)]) == f.prefix
}
