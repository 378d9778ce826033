package controller

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/queue"
)

// SyncOptions holds the options of Sync. The zero value of a field means its default;
// nil means all defaults.
type SyncOptions struct {
	// Skip is the number of packets that the controller may skip after each that it has
	// received, 0 to 499; default 0.
	Skip int
	// Timeout is the time without a packet after which the synchronization is lost, 100 ms
	// to 163.84 s in steps of 10 ms; default 10 s. It has to exceed the interval of the
	// periodic advertising.
	Timeout time.Duration
	// PHYs are the primary PHYs on which the advertiser is searched; see ScanOptions.PHYs.
	PHYs hci.PHYs
}

func (o *SyncOptions) timeout() time.Duration {
	if o.Timeout == 0 {
		return 10 * time.Second
	}
	return o.Timeout
}

// errSyncClosed is the end of a Sync by its Close.
var errSyncClosed = closedError("synchronization closed")

// SyncReport is data of periodic advertising.
type SyncReport struct {
	Time      time.Time
	RSSI      int8        // dBm, or RSSIUnknown
	TxPower   int8        // dBm, or TxPowerUnknown
	Truncated bool        // the controller could not deliver all data
	Data      hci.AdvData // belongs to the receiver
}

// syncQueue is the number of reports that a Sync queues.
const syncQueue = 256

// Sync is a synchronization with the periodic advertising of a device. It queues at most
// 256 reports. When the queue is full, the oldest one is dropped and
// counted. One goroutine at a time may call Next or All.
type Sync struct {
	ctl   *Controller
	queue *queue.Ring[SyncReport]

	advertiser hci.Addr
	sid        uint8
	handle     hci.Handle
	phy        hci.PHY
	interval   time.Duration

	closed atomic.Bool
	// Owned by the loop: the report that has begun.
	part   []byte
	broken bool // the rest of it is dropped
}

// Sync synchronizes with the periodic advertising of a device (Vol 6, Part B, 4.4.3.4),
// and returns once it has been received. advertiser and sid are those in the reports of a
// scan; Report.PeriodicInterval tells which devices have periodic advertising.
//
// ctx bounds the search, which goes on until the device is heard. The controller scans
// meanwhile. Calls take turns, since a controller searches for one device at a time. The
// caller must close the Sync.
//
// The error wraps ErrNoPeriodicAdvertising, the refusal of the controller, or the cause of
// ctx.
func (ctl *Controller) Sync(ctx context.Context, advertiser hci.Addr, sid uint8, o *SyncOptions) (*Sync, error) {
	opts := SyncOptions{}
	if o != nil {
		opts = *o
	}
	if err := hci.CheckSyncTiming(opts.Skip, opts.timeout()); err != nil {
		return nil, err
	}
	if sid > 15 {
		return nil, fmt.Errorf("controller: synchronize: advertising set %d, want 0 to 15", sid)
	}
	info, err := ctl.AwaitInfo(ctx)
	if err != nil {
		return nil, err
	}
	if !info.followsPeriodic() {
		return nil, errNoPeriodic()
	}
	// The controller finds the device by the scan.
	scan, err := ctl.Scan(ctx, &ScanOptions{Passive: true, PHYs: opts.PHYs, OnReport: func(*Report) {}})
	if err != nil {
		return nil, err
	}
	defer scan.Close()
	x := &syncRequest{cmd: hci.LEPeriodicAdvertisingCreateSync{
		SID: sid, Advertiser: advertiser.Identity(), Skip: uint16(opts.Skip), Timeout: opts.timeout(),
	}, sync: &Sync{ctl: ctl, advertiser: advertiser, sid: sid, queue: queue.New[SyncReport](syncQueue)}}
	_, err = askLoop(ctx, &ctl.core, wrapDuring(ctx, "synchronize"), func(_ func() bool, done func(hci.None, error)) {
		x.done = func(err error) { done(hci.None{}, err) }
		ctl.core.syncs.addRequest(x)
	})
	if err != nil {
		ctl.Post(loop.Func(func(time.Time) { ctl.core.syncs.giveUp(x) }))
		return nil, err
	}
	return x.sync, nil
}

// errNoPeriodic names the remedy.
func errNoPeriodic() error {
	return fmt.Errorf("controller: synchronize: %w: use an adapter of Bluetooth 5 that lists LE periodic advertising", ErrNoPeriodicAdvertising)
}

// followsPeriodic reports whether the controller synchronizes with periodic advertising.
func (i *Info) followsPeriodic() bool {
	return i.Extended && i.Features.Has(hci.FeaturePeriodicAdvertising) && i.Commands.Has(hci.OpLEPeriodicAdvertisingCreateSync)
}

// Advertiser returns the address that was asked for, and the advertising set.
func (s *Sync) Advertiser() (addr hci.Addr, sid uint8) { return s.advertiser, s.sid }

// Interval returns the interval of the periodic advertising.
func (s *Sync) Interval() time.Duration { return s.interval }

// PHY returns the PHY of the periodic advertising.
func (s *Sync) PHY() hci.PHY { return s.phy }

// Next waits for the next report. Its error is the cause of ctx, or the reason for the end
// of the Sync: ErrSyncLost, one that unwraps to net.ErrClosed after Close, or the error
// that ended the Controller.
func (s *Sync) Next(ctx context.Context) (SyncReport, error) { return s.queue.Next(ctx) }

// All iterates over the reports until ctx or the Sync ends. The last pair has the error of
// [Sync.Next].
func (s *Sync) All(ctx context.Context) iter.Seq2[SyncReport, error] {
	return func(yield func(SyncReport, error) bool) {
		for {
			r, err := s.Next(ctx)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Dropped returns the number of reports that were dropped from the full queue.
func (s *Sync) Dropped() uint64 { return s.queue.Dropped() }

// Close ends the Sync. A second Close does nothing.
func (s *Sync) Close() {
	if s.closed.Swap(true) {
		return
	}
	s.queue.Close(errSyncClosed)
	s.ctl.Post(loop.Func(func(time.Time) { s.ctl.core.syncs.endSync(s, errSyncClosed, true) }))
}
