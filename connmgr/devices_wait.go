package connmgr

import (
	"slices"

	"github.com/moor-ble/moor/controller"
)

// waiter waits for a report of a device.
type waiter struct {
	target
	// wants decides whether a report ends the wait; nil accepts each. It must not block.
	wants func(adapter string, r *controller.Report) bool
	// all includes reports that are not connectable.
	all   bool
	heard chan struct{} // closed at the end of the wait
}

// awaitHeard returns a channel that is closed by the next connectable advertisement of
// t, and a function that ends the wait.
func (ds *devices) awaitHeard(t target) (<-chan struct{}, func()) {
	return ds.awaitReport(waiter{target: t})
}

// awaitReport returns a channel that is closed by the next advertisement that w wants,
// and a function that ends the wait.
func (ds *devices) awaitReport(w waiter) (<-chan struct{}, func()) {
	w.heard = make(chan struct{})
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if e := ds.heard[w.addr.MAC]; e != nil {
		e.waiters = append(e.waiters, &w)
	} else {
		ds.waiters[w.addr.MAC] = append(ds.waiters[w.addr.MAC], &w)
	}
	return w.heard, func() {
		ds.mu.Lock()
		ds.endWaitLocked(&w)
		ds.mu.Unlock()
	}
}

// endWaitLocked removes a waiter. ds.mu must be held.
func (ds *devices) endWaitLocked(w *waiter) {
	is := func(o *waiter) bool { return o == w }
	if e := ds.heard[w.addr.MAC]; e != nil {
		e.waiters = slices.DeleteFunc(e.waiters, is)
		return
	}
	rest := slices.DeleteFunc(ds.waiters[w.addr.MAC], is)
	if ds.waiters[w.addr.MAC] = rest; len(rest) == 0 {
		delete(ds.waiters, w.addr.MAC)
	}
}
