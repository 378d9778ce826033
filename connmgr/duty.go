package connmgr

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/controller"
)

// The scan in the background listens as much as somebody needs:
//
//	state    | holds                                               | listens
//	---------|-----------------------------------------------------|--------------------
//	awaited  | while a call of Establish, Keep, WaitFor or Find    | all the time
//	         | waits, for dutyLinger after it, and for dutyOutlook |
//	         | after an adapter has come up                        |
//	watching | otherwise                                           | 1.28 s of each 5.12 s
//	off      | with Config.DisableScan, or if the controller       | never
//	         | refuses to scan                                     |
//
// A Scan of the program has its own timing. Silence counts by the time for which the
// adapters have listened: a device that was not heard for 5 s while they watched has been
// silent for 1.28 s.
//
// The windows of a watching adapter are longer than the advertising interval of most
// devices, so that one window hears them. A device that advertises every 10.24 s is heard
// every 41 s in the mean, and long before its entry is out of date. Android listens for
// 1.024 s of each 4.096 s in its balanced mode; bluetoothd and Home Assistant listen half
// of the time or all the time. A program that connects to one device after another finds
// the adapters listening: they linger for one period.
const (
	dutyLinger     = watchingPeriod
	dutyOutlook    = lately
	watchingWindow = 1280 * time.Millisecond
	watchingPeriod = 5120 * time.Millisecond
)

// watchingShare is the part of the time for which the adapters listen while they watch.
const watchingShare = float64(watchingWindow) / float64(watchingPeriod)

// duty decides how much the adapters listen.
type duty struct {
	now     atomic.Pointer[dutyView]
	mu      sync.Mutex
	calls   int           // that wait; guarded by mu, as all below
	outlook time.Time     // until then at least the adapters listen all the time
	changed chan struct{} // closed and replaced when the view changes
}

// dutyView is the state of the duty at one moment, and before. It does not change.
type dutyView struct {
	attention             // the last one, or the present one
	earlier   []attention // of the last 195 s, the first one first
}

// attention is a time in which the adapters listen all the time.
type attention struct {
	since time.Time
	until time.Time // zero while a call waits
}

func newDuty() *duty {
	d := &duty{changed: make(chan struct{})}
	now := time.Now()
	d.now.Store(&dutyView{attention: attention{now, now}})
	return d
}

// covers reports whether now belongs to the attention.
func (a attention) covers(now time.Time) bool { return a.until.IsZero() || now.Before(a.until) }

// overlap returns how much of the time between from and to belongs to the attention.
func (a attention) overlap(from, to time.Time) time.Duration {
	if !a.until.IsZero() && a.until.Before(to) {
		to = a.until
	}
	return max(0, to.Sub(latest(from, a.since)))
}

// fullSince returns since when the adapters have listened all the time: now, if they do
// not.
func (d *duty) fullSince(now time.Time) time.Time {
	if v := d.now.Load(); v.covers(now) {
		return v.since
	}
	return now
}

// silence returns for how long the adapters have listened from a report to another time,
// which may be that of a report by another adapter. A zero time was never: the silence
// since then is the longest one.
func (d *duty) silence(from, to time.Time) time.Duration {
	if from.IsZero() {
		return math.MaxInt64
	}
	all := to.Sub(from)
	if all <= 0 {
		return all
	}
	v := d.now.Load()
	full := v.overlap(from, to)
	for _, a := range v.earlier {
		full += a.overlap(from, to)
	}
	return full + time.Duration(float64(all-full)*watchingShare)
}

// beginWait notes a call that waits for a device. The caller must call end once the wait
// is over.
func (d *duty) beginWait() (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.updateLocked()
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls--
		d.updateLocked()
	}
}

// noteAdapter notes that an adapter has come up.
func (d *duty) noteAdapter() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outlook = time.Now().Add(dutyOutlook)
	d.updateLocked()
}

// updateLocked brings the view into step with the calls that wait. d.mu must be held.
func (d *duty) updateLocked() {
	now, v := time.Now(), d.now.Load()
	next := &dutyView{attention: attention{since: v.since}, earlier: v.earlier}
	if !v.covers(now) {
		next.since = now
		next.earlier = append(slices.Clone(v.earlier), v.attention)
		next.earlier = slices.DeleteFunc(next.earlier, func(a attention) bool { return now.Sub(a.until) >= outOfDate })
	}
	if d.calls == 0 {
		next.until = latest(now.Add(dutyLinger), d.outlook)
	}
	if next.attention != v.attention {
		d.now.Store(next)
		close(d.changed)
		d.changed = make(chan struct{})
	}
}

// followDuty sets the timing of the scan in the background until ctx ends.
func (d *duty) followDuty(ctx context.Context, sc *controller.Scanner) {
	for {
		d.mu.Lock()
		v, changed := d.now.Load(), d.changed
		d.mu.Unlock()
		now := time.Now()
		var period, window time.Duration // all the time
		var ends <-chan time.Time
		switch {
		case !v.covers(now):
			period, window = watchingPeriod, watchingWindow
		case !v.until.IsZero():
			ends = time.After(v.until.Sub(now))
		}
		_ = sc.SetTiming(period, window) // both are valid
		select {
		case <-changed:
		case <-ends:
		case <-ctx.Done():
			return
		}
	}
}
