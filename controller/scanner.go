package controller

import (
	"context"
	"iter"
	"net"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/queue"
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
	// ErrNoCodedPHY. Of several Scanners, the PHYs of all are used, but each receives
	// only reports on its own.
	PHYs hci.PHYs
	// Filter selects the reports to deliver; nil delivers all.
	Filter *ScanFilter
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

// checkTiming returns a *hci.ParamError for an illegal interval or window.
func (o *ScanOptions) checkTiming() error { return hci.CheckScanTiming(o.timing()) }

// Scanner delivers the reports of one call of [Controller.Scan]. It queues at most
// Config.ReportQueue reports. When the queue is full, the oldest one is dropped and
// counted.
type Scanner struct {
	ctl    *Controller
	opts   ScanOptions
	queue  *queue.Ring[Report]
	before uint64 // what the reader had dropped before Scan
	// Owned by the loop.
	seen  seenSet
	asked bool // a command to scan was sent after the Scanner was added
	ran   bool // the controller has accepted the options of the Scanner
}

// Scan starts a scan and returns its Scanner, which the caller must close. It
// returns once the controller scans, or will scan as soon as it can.
//
// Any number of Scanners share the controller. Each call restarts the scan, so
// that the new Scanner also receives devices that the controller has reported
// before. A scan continues during a connection attempt. On a controller that cannot
// do both, the scan pauses and resumes by itself.
func (ctl *Controller) Scan(ctx context.Context, o *ScanOptions) (*Scanner, error) {
	s := &Scanner{ctl: ctl, queue: queue.New[Report](ctl.core.cfg.reportQueue()), before: ctl.dropped.Load()}
	if o != nil {
		s.opts = *o
	}
	if err := s.opts.checkTiming(); err != nil {
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

// Next waits for the next report. Its error is the cause of ctx, or the reason for
// the end of the scan, which unwraps to net.ErrClosed after Close.
func (s *Scanner) Next(ctx context.Context) (Report, error) { return s.queue.Next(ctx) }

// All iterates over the reports until ctx or the scan ends. The last pair has the
// error of [Scanner.Next].
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
func (s *Scanner) Dropped() uint64 { return s.queue.Dropped() + s.ctl.dropped.Load() - s.before }

// Close ends the Scanner. The controller stops scanning with the last Scanner. A
// second Close does nothing.
func (s *Scanner) Close() {
	s.queue.Close(errScannerClosed)
	s.ctl.Post(loop.Func(func(time.Time) { s.ctl.core.scan.removeScanner(s) }))
}

var errScannerClosed = closedError("scanner closed")

// closedError is an error that unwraps to net.ErrClosed without repeating its text.
type closedError string

func (e closedError) Error() string { return "controller: " + string(e) }

func (e closedError) Unwrap() error { return net.ErrClosed }
