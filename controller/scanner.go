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

// ScanOptions holds the options of one Scanner. Zero fields have their
// defaults; nil is the same as an empty one.
type ScanOptions struct {
	// Passive listens only. The default asks scannable devices for their scan
	// response. While any scanner of the device is active, all are.
	Passive bool
	// Duplicates delivers every advertisement. The default delivers a device
	// again only when what it sends has changed.
	Duplicates bool
	// Interval and Window are how the controller listens, 2.5 ms to 10.24 s in
	// steps of 0.625 ms; default 60 ms each, listening all the time. With several
	// scanners those of the one with the largest share of listening hold.
	Interval, Window time.Duration
	// Filter selects what is delivered; nil is everything.
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

func (o *ScanOptions) checkTiming() error { return hci.CheckScanTiming(o.timing()) }

// Scanner delivers reports from one Scan. It queues at most Config.ReportQueue
// of them; when the queue is full the oldest is dropped and counted.
type Scanner struct {
	ctl   *Controller
	opts  ScanOptions
	queue *queue.Ring[Report]
	seen  seenSet // owned by the loop, as are asked and ran
	asked bool    // the controller has been told to scan since this one came
	ran   bool    // the controller has taken the options
}

// Scan starts to scan and returns a Scanner, which the caller must Close. Any
// number of them share the controller; each begins the scan anew, so that it
// hears the devices that were reported to the others already. A scan goes on
// while the Controller connects; on a controller that cannot do both it pauses, or
// begins late, and comes back by itself.
func (ctl *Controller) Scan(ctx context.Context, o *ScanOptions) (*Scanner, error) {
	s := &Scanner{ctl: ctl, queue: queue.New[Report](ctl.core.cfg.reportQueue())}
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

// Next returns the next report. After Close the error unwraps to
// net.ErrClosed; otherwise it says what ended the scan, or is ctx's cause.
func (s *Scanner) Next(ctx context.Context) (Report, error) { return s.queue.Next(ctx) }

// All iterates over the reports until ctx or the scan ends; the last pair has
// the error that Next would return.
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

// Dropped returns how many reports were dropped because nobody called Next.
func (s *Scanner) Dropped() uint64 { return s.queue.Dropped() }

// Close ends the scanner. The controller stops to scan with its last one.
func (s *Scanner) Close() {
	s.queue.Close(errScannerClosed)
	s.ctl.Post(loop.Func(func(time.Time) { s.ctl.core.scan.removeScanner(s) }))
}

var errScannerClosed = closedError("scanner closed")

type closedError string

func (e closedError) Error() string { return "controller: " + string(e) }

func (e closedError) Unwrap() error { return net.ErrClosed }
