package connmgr

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/slots"
)

// errNoSlot is the error of an attempt for which there was no connection slot.
var errNoSlot = &errclass.RemoteError{Text: "no connection slot is free on any adapter in reach"}

// place is the place of one Establish in the queue for slots. The Establish keeps it from
// its first attempt to its end.
type place struct {
	ticket *slots.Ticket
	mac    hci.MAC
	raised chan struct{} // one token: evicts has changed
	evicts bool          // evictions are allowed; guarded by places.mu, as all below
	below  int           // the priority below which links may be ended
	wants  int           // the priority
}

// places holds the places of all calls of Establish, by device. All calls for one device
// have the highest of their priorities, since one of them dials for all.
type places struct {
	mu    sync.Mutex
	byMAC map[hci.MAC][]*place // guarded by mu
}

func newPlaces() *places { return &places{byMAC: map[hci.MAC][]*place{}} }

// takePlace takes a place in the queue; the caller must call leavePlace in the end.
func (m *Manager) takePlace(mac hci.MAC, priority int, evict bool) *place {
	p := &place{ticket: m.slots.Ticket(mac.String(), priority), mac: mac, raised: make(chan struct{}, 1), wants: priority}
	if evict {
		p.evicts, p.below = true, priority
	}
	ps := m.places
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.byMAC[mac] = append(ps.byMAC[mac], p)
	all := ps.byMAC[mac]
	for _, o := range all {
		for _, by := range all {
			o.inheritLocked(by)
		}
	}
	return p
}

// inheritLocked raises the priority of a place to that of another one for the same
// device. places.mu must be held.
func (p *place) inheritLocked(by *place) {
	if by.wants > p.wants {
		p.wants = by.wants
		p.ticket.Raise(p.wants)
	}
	if by.evicts && (!p.evicts || by.below > p.below) {
		p.evicts, p.below = true, by.below
		select {
		case p.raised <- struct{}{}:
		default:
		}
	}
}

func (m *Manager) leavePlace(p *place) {
	p.ticket.Close()
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	rest := slices.DeleteFunc(m.places.byMAC[p.mac], func(o *place) bool { return o == p })
	if m.places.byMAC[p.mac] = rest; len(rest) == 0 {
		delete(m.places.byMAC, p.mac)
	}
}

// mayEvict returns the priority below which links may be ended for a place.
func (m *Manager) mayEvict(p *place) (below int, ok bool) {
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	return p.below, p.evicts
}

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
		wait, cancel := context.WithTimeout(ctx, min(x.policy.AttemptTimeout, x.slotTimeLeft()))
		defer cancel()
		a, ranked, err = x.awaitSlot(ctx, wait)
		if errors.Is(err, errNoSlot) && x.slotTimeLeft() <= 0 {
			err = slotTimeoutError{x.policy.SlotTimeout}
		}
		return a, ranked, err
	}
	if ranked, err = x.m.rankAdapters(x.target, x.last, x.try.plan.avoid, x.opts); err != nil {
		return nil, nil, err
	}
	for _, a := range ranked {
		x.m.reconcileSlots(a)
	}
	if x.opts.Evict {
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

// awaitSlot waits for a slot until wait ends. The adapters are ranked anew when one of
// them changes its state and when another one hears the device.
func (x *attempts) awaitSlot(ctx, wait context.Context) (_ *Adapter, ranked []*Adapter, err error) {
	t := x.place.ticket
	var evicted *link
	for first := true; ; first = false {
		w := x.watchPaths()
		if ranked, err = x.m.rankAdapters(x.target, x.last, x.try.plan.avoid, x.opts); err != nil {
			w.stop()
			t.SetAdapters()
			return nil, nil, err
		}
		if first {
			for _, a := range ranked {
				x.m.reconcileSlots(a)
			}
		}
		t.SetAdapters(namesOf(ranked)...)
		if !t.Granted() {
			x.beginSlotWait()
			if first {
				x.m.verifyFull(ranked)
				x.m.bus.emitEvent(SlotAwaited{time.Now(), x.deviceName(), x.address, namesOf(ranked), x.number})
			}
			if below, ok := x.m.mayEvict(x.place); ok && (evicted == nil || evicted.isGone()) {
				evicted = x.m.evictLink(ranked, below)
			}
		}
		name, err := x.awaitTicket(ctx, wait, w)
		w.stop()
		switch {
		case err == nil:
			x.endSlotWait()
			x.queued = false
			return x.m.Adapter(name), ranked, nil
		case errors.Is(err, errPathsChanged):
		case errors.Is(err, errNoSlot):
			x.queued = true // the ticket goes on waiting
			return nil, ranked, err
		default:
			t.SetAdapters()
			return nil, ranked, err
		}
	}
}

// awaitTicket waits for the slot of the ticket, or for a change of the paths.
func (x *attempts) awaitTicket(ctx, wait context.Context, w *pathWatch) (adapter string, err error) {
	t := x.place.ticket
	for {
		adapter, ok, err := t.Take()
		if err != nil {
			return "", errManagerClosed
		}
		if ok {
			return adapter, nil
		}
		select {
		case <-t.Ready():
		case <-w.adapters:
			return "", errPathsChanged
		case <-w.heard:
			return "", errPathsChanged
		case <-x.place.raised:
			return "", errPathsChanged
		case <-wait.Done():
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			return "", errNoSlot
		}
	}
}

// watchSlot returns a channel that is closed when the missing slot is there: the slot for
// which the Establish is queued, or room on the adapter that has refused a dial. The
// function ends the watch.
func (x *attempts) watchSlot() (<-chan struct{}, func()) {
	if !x.queued {
		return x.m.freed.subscribe(func(n news) bool { return n.linkOn == x.last })
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
	heard    <-chan struct{} // closed when an adapter hears the device that did not before
	stop     func()
}

func (x *attempts) watchPaths() *pathWatch {
	w := &pathWatch{}
	var stopAdapters, stopHeard func()
	w.adapters, stopAdapters = x.m.wake.subscribe(func(n news) bool { return n.adapter })
	now, fresh := time.Now(), map[string]bool{}
	x.m.devices.visitHeard(x.target, func(d *Device) bool {
		fresh[d.Adapter] = d.isFresh(now)
		return true
	})
	w.heard, stopHeard = x.m.devices.awaitReport(waiter{target: x.target, wants: func(adapter string, _ *controller.Report) bool {
		return !fresh[adapter] && x.mayUse(adapter)
	}})
	w.stop = func() { stopAdapters(); stopHeard() }
	return w
}

func namesOf(as []*Adapter) []string {
	names := make([]string, len(as))
	for i, a := range as {
		names[i] = a.name
	}
	return names
}
