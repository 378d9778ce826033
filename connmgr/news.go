package connmgr

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

const (
	// silence is how long a device must not have been heard, and at least twice as long as
	// usual, for a report of it to be news.
	silence = 2 * time.Second
	// minAdvInterval and maxAdvInterval bound the interval of legacy advertising.
	minAdvInterval = 20 * time.Millisecond
	maxAdvInterval = 10240 * time.Millisecond
	// onAirFor is how long a device counts as on air after a report.
	onAirFor = 3 * maxAdvInterval
)

// isOnAir reports whether the device is there: a link to it was made, or an adapter that
// may be used has heard it lately.
func (x *attempts) isOnAir(at *Attempt) bool {
	if _, heard := errors.AsType[*UnreachableError](at.Err); at.linked || heard {
		return true
	}
	onAir, now := false, time.Now()
	x.m.devices.visitHeard(x.target, func(d *Device) bool {
		onAir = d.Connectable && x.mayUse(d.Adapter) && x.m.duty.silence(d.accepts, now) < onAirFor
		return !onAir
	})
	return onAir
}

// mayUse reports whether the options allow the adapter with a name.
func (x *attempts) mayUse(adapter string) bool {
	return x.opts.Adapter == "" || x.opts.Adapter == adapter
}

// watchNews returns a channel that is closed when the reason to wait after a failed
// attempt may be gone: an adapter is up, the missing slot is there, or the device has
// changed. The function ends the watch.
func (x *attempts) watchNews(at *Attempt) (<-chan struct{}, func()) {
	if at.Class.Action.Has(errclass.AwaitSlot) || at.Class.Category == errclass.OutOfSlots {
		return x.watchSlot() // the device alone does not help
	}
	changed := x.m.wake.await(news{change: adapterUp})
	heard, stopHeard := x.m.devices.awaitReport(waiter{target: x.target, wants: x.newsAfter(at)})
	ch, done := make(chan struct{}), make(chan struct{})
	go func() { // ends with the watch
		select {
		case <-heard:
			close(ch)
		case <-changed:
			close(ch)
		case <-done:
		}
	}()
	return ch, func() { stopHeard(); close(done) }
}

// newsAfter returns the function that decides whether a report is news after a failed
// attempt. After a failure to hear the device, each one is. Otherwise a device that
// goes on advertising as before, as most do, has nothing new to say.
func (x *attempts) newsAfter(at *Attempt) func(adapter string, r *controller.Report) bool {
	if at.Class.Category == errclass.NotFound {
		return nil
	}
	var last time.Time
	var onAir hci.Addr
	silence := silence
	adapters := map[string]bool{}
	for _, d := range x.m.devices.heardOf(x.target) {
		if d.Connectable && time.Since(d.Seen) < outOfDate {
			adapters[d.Adapter] = true
			if d.Seen.After(last) {
				last, onAir, silence = d.Seen, d.onAir(), max(silence, 2*d.gap)
			}
		}
	}
	if at.linked {
		last = time.Now()
	}
	return func(adapter string, r *controller.Report) bool {
		if !x.mayUse(adapter) {
			return false
		}
		news := x.m.duty.silence(last, r.Time) >= silence ||
			onAir != hci.Addr{} && onAir != r.Addr.Identity() || len(adapters) > 0 && !adapters[adapter]
		last, onAir, adapters[adapter] = r.Time, r.Addr.Identity(), true
		return news
	}
}
