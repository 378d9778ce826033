package connmgr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
)

// errNoSlot is the error of an attempt for which there was no connection slot.
var errNoSlot = &errclass.RemoteError{Text: "no connection slot is free on any adapter in reach"}

// keepPlace takes the place of the Establish in the queue. It is kept over the attempts
// as long as the device stays the same.
func (x *attempts) keepPlace() {
	mac := x.target.addr.MAC
	if x.place != nil && x.place.mac == mac {
		return
	}
	x.leaveQueue()
	x.place = x.m.takePlace(mac, x.opts.Priority, x.opts.Evict)
}

// leaveQueue gives up the place of the Establish in the queue.
func (x *attempts) leaveQueue() {
	if x.place != nil {
		x.m.leavePlace(x.place)
		x.place = nil
	}
}

// slotTimeoutError ends an Establish that has waited for a slot for Policy.SlotTimeout.
type slotTimeoutError struct{ after time.Duration }

func (e slotTimeoutError) Error() string { return fmt.Sprintf("%v: waited for %v", errNoSlot, e.after) }

// Unwrap marks the error as a lack of slots.
func (slotTimeoutError) Unwrap() error { return errNoSlot }

// slotTimeLeft returns the time that the Establish may still wait for a slot.
func (x *attempts) slotTimeLeft() time.Duration {
	if x.policy.SlotTimeout <= 0 {
		return math.MaxInt64
	}
	left := x.policy.SlotTimeout - x.slotWait
	if !x.slotSince.IsZero() {
		left -= time.Since(x.slotSince)
	}
	return left
}

// beginSlotWait and endSlotWait measure the time without a slot, from the first attempt
// that finds none to the slot, with the waits between attempts.
func (x *attempts) beginSlotWait() {
	if x.slotSince.IsZero() {
		x.slotSince = time.Now()
	}
}

func (x *attempts) endSlotWait() {
	if !x.slotSince.IsZero() {
		x.slotWait += time.Since(x.slotSince)
		x.slotSince = time.Time{}
	}
}

// takeSlot takes a connection slot on the best adapter that has one. Unless the policy
// forbids waking, it waits for a slot, up to the attempt timeout. It returns the adapters
// in reach, too, the best first.
func (x *attempts) takeSlot(ctx context.Context) (a *Adapter, ranked []*Adapter, err error) {
	if !x.policy.NoWake {
		a, ranked, err = x.awaitSlot(ctx, time.Now().Add(min(x.policy.AttemptTimeout-x.try.dialed, x.slotTimeLeft())))
		if errors.Is(err, errNoSlot) && x.slotTimeLeft() <= 0 {
			err = slotTimeoutError{x.policy.SlotTimeout}
		}
		return a, ranked, err
	}
	if ranked, err = x.m.rankAdapters(x.target, x.last, x.try.plan.avoid, x.opts); err != nil {
		return nil, nil, err
	}
	x.m.reconcileSlots(ranked)
	if x.opts.Evict && !x.isAway(ranked) {
		x.m.evictLink(ranked, x.opts.Priority)
	}
	for _, a := range ranked {
		if x.m.slots.TryAllocate(a.name, x.place.mac.String()) {
			return a, ranked, nil
		}
	}
	x.m.verifyFull(ranked)
	return nil, ranked, errNoSlot
}

// awaitSlot waits for a slot until a time. The adapters are ranked anew when one of
// them changes its state and when another one hears the device. A device that is away
// takes a slot that is free, and else leaves the queue to others until it is heard.
func (x *attempts) awaitSlot(ctx context.Context, until time.Time) (_ *Adapter, ranked []*Adapter, err error) {
	t := x.place.ticket
	var evicted *link
	asked := false
	for first := true; ; first = false {
		w := x.watchPaths()
		if ranked, err = x.m.rankAdapters(x.target, x.last, x.try.plan.avoid, x.opts); err != nil {
			t.SetAdapters()
			return nil, nil, err
		}
		if first {
			x.m.reconcileSlots(ranked)
		}
		t.SetAdapters(namesOf(ranked)...)
		x.try.away = false
		if !t.Granted() {
			x.watchHearers(w)
			x.call.enterPhase(PhaseSlot, "")
			if first {
				x.m.verifyFull(ranked)
				x.m.bus.emitMade(func() Event {
					return SlotAwaited{time.Now(), x.deviceName(), x.address, namesOf(ranked), x.number}
				})
			}
			if x.try.away = x.isAway(ranked); x.try.away {
				t.SetAdapters()
				x.queued = false
				x.endSlotWait()
			} else {
				x.beginSlotWait()
				if below, ok := x.m.mayEvict(x.place); ok && (evicted == nil || evicted.isGone()) {
					evicted = x.m.evictLink(ranked, below)
				}
				asked = asked || x.m.askToYield(ranked)
			}
		}
		name, err := x.awaitTicket(ctx, until, w)
		w.stop()
		switch {
		case x.try.away && errors.Is(err, errNoSlot):
			return nil, ranked, &controller.ConnectError{Peer: x.address, Err: controller.ErrDialTimeout}
		case err == nil:
			x.endSlotWait()
			x.queued = false
			return x.m.Adapter(name), ranked, nil
		case errors.Is(err, errPathsChanged):
		case errors.Is(err, errNoSlot):
			x.queued = true // the ticket goes on waiting
			return nil, ranked, err
		default:
			if errors.Is(err, errDialPassed) {
				x.endSlotWait()
			}
			t.SetAdapters()
			return nil, ranked, err
		}
	}
}

// awaitTicket waits for the slot of the ticket, for a change of the paths, or for another
// call that can do without the slot.
func (x *attempts) awaitTicket(ctx context.Context, until time.Time, w *pathWatch) (adapter string, err error) {
	t := x.place.ticket
	var freed <-chan struct{} // others go first in the queue
	if x.try.away {
		freed = w.freed
	}
	var timer *time.Timer
	for {
		adapter, ok, err := t.Take()
		if err != nil {
			return "", errManagerClosed
		}
		if ok {
			return adapter, nil
		}
		if timer == nil {
			timer = time.NewTimer(time.Until(until))
			defer timer.Stop()
		}
		select {
		case <-t.Ready():
		case <-w.adapters:
			return "", errPathsChanged
		case <-w.heard:
			return "", errPathsChanged
		case <-freed:
			return "", errPathsChanged
		case <-x.place.raised:
			return "", errPathsChanged
		case <-x.claim.asked:
			if x.m.links.isAsked(x.claim) {
				return "", errDialPassed
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-timer.C:
			return "", cmp.Or(context.Cause(ctx), error(errNoSlot))
		}
	}
}

// awaitRoom lets the Establish keep its place in the queue after a dial that the adapter
// has refused for want of room: it waits there for the end of a link, since slots may
// seem to be free.
func (x *attempts) awaitRoom(a *Adapter, err error) {
	if !x.policy.NoWake && errclass.Default.Of(err).Action.Has(errclass.LowerLimit) {
		x.place.ticket.AwaitRelease(a.name)
		x.queued = true
	}
}

// watchSlot returns a channel that is closed when the missing slot is there: the slot for
// which the Establish is queued, or room on the adapter that has refused a dial. The
// function ends the watch.
func (x *attempts) watchSlot() (<-chan struct{}, func()) {
	if !x.queued {
		return x.m.wake.await(news{linkEnded, x.last}), func() {}
	}
	granted, done := make(chan struct{}), make(chan struct{})
	t := x.place.ticket
	go func() { // ends with the watch
		for !t.Granted() {
			select {
			case <-t.Ready():
			case <-done:
				return
			}
		}
		close(granted)
	}()
	return granted, func() { close(done) }
}

// errPathsChanged ends a wait for a slot because the adapters have to be ranked anew.
var errPathsChanged = errors.New("paths have changed")

// pathWatch watches for changes of the ranking of the adapters for a device.
type pathWatch struct {
	adapters <-chan struct{} // closed when an adapter changes its state
	freed    <-chan struct{} // closed when a link ends
	hearers  []string        // the adapters that hear the device
	heard    <-chan struct{} // closed when another adapter hears it; nil before watchHearers
	stop     func()
}

// watchPaths begins a watch, before the adapters are ranked.
func (x *attempts) watchPaths() *pathWatch {
	return &pathWatch{
		adapters: x.m.wake.await(news{change: adapterChanged}), freed: x.m.wake.await(news{change: linkEnded}),
		hearers: x.m.devices.hearersOf(x.target), stop: func() {},
	}
}

// watchHearers extends a watch to the reports of the device.
func (x *attempts) watchHearers(w *pathWatch) {
	hearers := w.hearers
	if !x.m.devices.isOnAir(x.target) {
		hearers = nil // each report is news
	}
	w.heard, w.stop = x.m.devices.awaitReport(waiter{target: x.target, wants: func(adapter string, _ *controller.Report) bool {
		return !slices.Contains(hearers, adapter) && x.mayUse(adapter)
	}})
}

func namesOf(as []*Adapter) []string {
	names := make([]string, len(as))
	for i, a := range as {
		names[i] = a.name
	}
	return names
}
