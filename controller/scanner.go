package controller

import (
	"context"
	"iter"
	"net"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// ScanOptions holds the options of one Scanner. The zero value of a field means its
// default; nil means all defaults.
type ScanOptions struct {
	// Passive disables scan requests. By default the controller requests the scan
	// response of each scannable device. While one Scanner of the Controller scans
	// actively, all do.
	Passive bool
	// Duplicates delivers every report. By default an advertising set of a device
	// is reported again only when its data or its scan response has changed. Of
	// data that takes turns, as iBeacon and Eddystone frames, each frame is
	// reported once. Data that changes and changes back within 5 s is reported
	// again once the other data has not been heard for 5 s. Advertisements of
	// Bluetooth Mesh are all reported. The filter compares in the host, for the
	// 16,384 sets heard last; the controller filters nothing.
	Duplicates bool
	// Interval and Window set how the controller listens, 2.5 ms to 10.24 s in
	// steps of 0.625 ms; default 60 ms each, that is, all the time. Of several
	// Scanners, the one with the largest ratio of window to interval decides.
	Interval, Window time.Duration
	// PHYs are the primary PHYs to listen on: hci.PHYs1M, hci.PHYsCoded or both, by
	// turns; default 1M. A controller without the coded PHY refuses it with
	// ErrNoCodedPHY; one that lists and refuses it ends the Scanners on it with the same
	// error, and counts as one without it from then on. Of several Scanners, the PHYs of all are used, but each receives
	// only reports on its own.
	PHYs hci.PHYs
	// Filter selects the reports to deliver; nil delivers all.
	Filter *ScanFilter
	// OnReport, if set, is called with each report instead of queuing it, which saves
	// a change of goroutines. [Scanner.Next] then waits for the end of the scan. OnReport
	// runs on the loop: it must neither block nor call the Controller, and the report is
	// valid until it returns. Calls do not overlap. They may begin before Scan
	// returns, and the last one may end after Close.
	OnReport func(r *Report)
}

func (o *ScanOptions) timing() (interval, window time.Duration) {
	interval = o.Interval
	if interval == 0 {
		interval = max(60*time.Millisecond, o.Window)
	}
	window = o.Window
	if window == 0 {
		window = interval
	}
	return interval, window
}

// Validate returns a *hci.ParamError for an illegal interval or window.
func (o *ScanOptions) Validate() error { return hci.CheckScanTiming(o.timing()) }

// Scanner delivers the reports of one call of [Controller.Scan]. It queues at most
// Config.ReportQueue reports. When the queue is full, the oldest one is dropped and
// counted. One goroutine at a time may call Next or All.
type Scanner struct {
	ctl    *Controller
	opts   ScanOptions
	queue  *reportQueue
	closed atomic.Bool
	before uint64 // what the reader had dropped before Scan
	// Owned by the loop.
	onStart func(error) // answers the call of Scan; nil once it has been called
	seen    seenSet
	asked   bool // a command to scan was sent after the Scanner was added
	ran     bool // the controller has accepted the options of the Scanner
}

// Scan starts a scan and returns its Scanner, which the caller must close. It
// returns once the controller scans, or will scan as soon as it can.
//
// Any number of Scanners share the controller. Each call restarts the scan, so
// that the new Scanner also receives devices that the controller has reported
// before. A scan continues during a connection attempt. On a controller that cannot
// do both, the scan pauses and resumes by itself.
func (ctl *Controller) Scan(ctx context.Context, o *ScanOptions) (*Scanner, error) {
	s := &Scanner{ctl: ctl, queue: newReportQueue(ctl.core.cfg.reportQueue()), before: ctl.dropped.Load()}
	if o != nil {
		s.opts = *o
	}
	if err := s.opts.Validate(); err != nil {
		return nil, err
	}
	if _, err := askLoop(ctx, &ctl.core, wrapDuring(ctx, "scan"), func(_ func() bool, done func(hci.None, error)) {
		ctl.core.scan.addScanner(s, func(err error) { done(hci.None{}, err) })
	}); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Next waits for the next report, which is valid until the next call: see
// [Report.Clone]. Its error is the cause of ctx, or the reason for the end of the scan,
// which unwraps to net.ErrClosed after Close.
func (s *Scanner) Next(ctx context.Context) (Report, error) { return s.queue.nextReport(ctx) }

// All iterates over the reports until ctx or the scan ends. Each is valid until the
// next step. The last pair has the error of [Scanner.Next].
func (s *Scanner) All(ctx context.Context) iter.Seq2[Report, error] {
	return func(yield func(Report, error) bool) {
		for {
			r, err := s.Next(ctx)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Dropped returns the number of reports that were dropped from the full queue, and of
// report packets that the Controller has dropped since Scan because they came faster
// than it handles them.
func (s *Scanner) Dropped() uint64 {
	return s.queue.waiting.Dropped() + s.ctl.dropped.Load() - s.before
}

// SetTiming changes ScanOptions.Interval and Window; zero values are their defaults. It
// returns at once. The scan restarts if that changes the timing of the controller. The error
// is that of Validate: then nothing changes. Any goroutine may call it.
func (s *Scanner) SetTiming(interval, window time.Duration) error {
	if err := (&ScanOptions{Interval: interval, Window: window}).Validate(); err != nil {
		return err
	}
	s.ctl.Post(loop.Func(func(time.Time) {
		s.opts.Interval, s.opts.Window = interval, window
		s.ctl.core.scan.syncScan()
	}))
	return nil
}

// Close ends the Scanner. The controller stops scanning with the last Scanner. A
// second Close does nothing.
func (s *Scanner) Close() {
	s.closed.Store(true)
	s.queue.waiting.Close(errScannerClosed)
	s.ctl.Post(loop.Func(func(time.Time) { s.ctl.core.scan.removeScanner(s) }))
}

var errScannerClosed = closedError("scanner closed")

// takeReport queues a report that the filters let through, or passes it to the program.
func (s *Scanner) takeReport(r *Report) {
	switch {
	case s.opts.OnReport == nil:
		s.queue.pushReport(r)
	case !s.closed.Load():
		s.opts.OnReport(r)
	}
}

// closedError is an error that unwraps to net.ErrClosed without repeating its text.
type closedError string

func (e closedError) Error() string { return "controller: " + string(e) }

func (e closedError) Unwrap() error { return net.ErrClosed }
