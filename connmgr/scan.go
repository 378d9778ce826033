package connmgr

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net"
	"slices"
	"strings"
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
	// PHYs are the PHYs to listen on: hci.PHYs1M, hci.PHYsCoded or both; default 1M.
	// An adapter whose controller lacks the coded PHY does not take part.
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
	s.opts = controller.ScanOptions{Passive: o.Passive, Duplicates: o.Duplicates, PHYs: o.PHYs, Filter: &controller.ScanFilter{
		Services: slices.Clone(o.Services), Manufacturers: slices.Clone(o.Manufacturers), MinRSSI: o.MinRSSI,
	}}
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
	deaf := false
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
	return hearReports(s.ctx, h, &s.opts, hearer{
		scans: func(err error) {
			if a.m.cfg.DisableScan { // else the Manager's own scan decides
				a.recordScan(h, err)
			}
			if err == nil && *deaf {
				*deaf = false
				s.queue.Push(scanItem{Report{Adapter: a.name}, &AdapterError{a.name, AdapterUp, nil}})
			}
		},
		lost: func(n uint64) { s.missed.Add(n) },
		report: func(r *controller.Report, device hci.Addr) {
			if a.m.cfg.DisableScan {
				a.m.devices.addReport(a.name, device, r)
			}
			if out := (Report{Report: *r, Adapter: a.name, Addr: device}); s.filter.matches(&out) {
				s.queue.Push(scanItem{out, nil})
			}
		},
	})
}

// scanFilter selects reports by name and identity, which a controller does not know.
type scanFilter struct {
	targets []target
	names   []string
	prefix  string
}

func (f *scanFilter) matches(r *Report) bool {
	if len(f.targets) > 0 && !slices.ContainsFunc(f.targets, func(t target) bool { return t.matches(r.Addr) || t.matches(r.Report.Addr) }) {
		return false
	}
	if len(f.names) > 0 && !slices.Contains(f.names, r.Name()) {
		return false
	}
	return strings.HasPrefix(r.Name(), f.prefix)
}
