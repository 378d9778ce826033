package slots

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNoAdapter says that no adapter of a Request is registered.
var ErrNoAdapter = errors.New("slots: no such adapter")

// ErrClosed says that the Manager, or the Ticket, was closed.
var ErrClosed = errors.New("slots: closed")

// Ticket is a place in the queue for slots. Its order is that of the calls of
// Manager.Ticket, so a caller that asks several times with one ticket is not
// overtaken by those that came later. Its methods may be called from any
// goroutine, but only one at a time may be in Acquire.
type Ticket struct {
	m       *Manager
	address string
	order   uint64
	ready   chan struct{} // one token while Acquire has something to look at
	strict  bool          // Acquire fails if none of the adapters is registered

	priority int      // guarded by m.mu, as all below
	adapters []string // accepted, the best first
	queue    *queue   // of these adapters; nil if the ticket does not wait
	aside    bool     // it waits for the end of a link on one of them, not for a slot
	requests uint64   // how often it began to wait
	slot     *hold    // granted last
	offered  bool     // Acquire has not returned it yet
	closed   bool
}

// Ticket takes a place in the queue, behind all tickets of the same or a higher
// priority. It asks for no slot yet. The caller must call Close in the end.
func (m *Manager) Ticket(address string, priority int) *Ticket {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.order++
	return &Ticket{m: m, address: address, order: m.order, priority: priority, ready: make(chan struct{}, 1)}
}

// Acquire asks for a slot on one of the adapters, as SetAdapters does, waits for
// it, and returns the name of its adapter. From then on the slot is the caller's,
// to be given back by Manager.Release or by the end of a link.
//
// If ctx ends first, Acquire returns an error that wraps the cause, but the ticket
// keeps waiting: a slot may be granted to it before the next call, which then
// returns it at once. SetAdapters without adapters, or Close, ends that.
//
// ErrClosed is returned after Close of the ticket or the Manager.
func (t *Ticket) Acquire(ctx context.Context, adapters ...string) (adapter string, err error) {
	t.SetAdapters(adapters...)
	for {
		if adapter, ok, err := t.Take(); ok {
			return adapter, err
		}
		select {
		case <-t.ready:
			continue
		case <-ctx.Done():
		}
		if adapter, ok, err := t.Take(); ok { // it came meanwhile
			return adapter, err
		}
		return "", fmt.Errorf("slots: waiting for a slot on %s: %w", strings.Join(adapters, ", "), context.Cause(ctx))
	}
}

// SetAdapters asks for a slot on the first of the adapters that has one free, or
// else on whichever has one first; the place in the queue stays. It replaces the
// adapters of earlier calls, also those of an Acquire that waits. An adapter need
// not be registered yet. If the address already has a slot on one of them, the
// ticket shares it. A slot that was granted, but not yet returned by Acquire, is
// given back if its adapter is not among them.
func (t *Ticket) SetAdapters(adapters ...string) {
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.queue != nil && !t.aside && slices.Equal(t.adapters, adapters) {
		return // it waits for these already
	}
	m.waiting.removeTicket(t)
	t.adapters = slices.Clone(adapters)
	if t.offered && !slices.Contains(adapters, t.slot.adapter.name) {
		m.withdrawOffer(t)
	}
	if !t.offered && !t.closed && !m.closed {
		m.requestSlot(t)
	}
	m.settleAdapters(time.Now())
}

// Ready returns a channel that receives a value once Acquire would return without
// waiting, and now and then when it would not. It lets a caller wait for a slot
// and for other things at a time.
func (t *Ticket) Ready() <-chan struct{} { return t.ready }

// AwaitRelease asks for a slot on one of the adapters as SetAdapters does, but for none
// that is free now: the ticket waits aside until a link on one of them ends, and then at
// its place in the queue. It is for a caller whose dial was refused although there seemed
// to be room.
func (t *Ticket) AwaitRelease(adapters ...string) {
	t.SetAdapters()
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if !t.closed && !m.closed {
		t.adapters = slices.Clone(adapters)
		m.waiting.putAside(t)
	}
}

// SetPriority changes the priority of the ticket, and of the slot that it was granted
// last.
func (t *Ticket) SetPriority(priority int) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	if priority != t.priority {
		t.m.waiting.moveTicket(t, priority)
	}
	if t.slot != nil {
		t.slot.priority = priority
	}
}

// Close gives up the place in the queue. A slot that was granted, but not yet
// returned by Acquire, is given back; an Acquire that waits returns ErrClosed.
// Closing again does nothing.
func (t *Ticket) Close() {
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	t.closed = true
	m.waiting.removeTicket(t)
	if t.offered {
		m.withdrawOffer(t)
	}
	t.slot = nil
	t.wakeAcquire()
	m.settleAdapters(time.Now())
}

// Granted reports whether a slot was granted that neither Acquire nor Take has
// returned yet.
func (t *Ticket) Granted() bool {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	return t.offered
}

// Take is Acquire without waiting and without a change of the adapters: ok is false if
// Acquire would wait.
func (t *Ticket) Take() (adapter string, ok bool, err error) {
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case t.offered:
		t.offered, t.slot.taken = false, true
		t.slot.removeOffer(t)
		select {
		case <-t.ready:
		default:
		}
		return t.slot.adapter.name, true, nil
	case t.closed || m.closed:
		return "", true, ErrClosed
	case t.strict && !slices.ContainsFunc(t.adapters, m.registered):
		return "", true, ErrNoAdapter
	}
	return "", false, nil
}

// wakeAcquire wakes an Acquire that waits. Must be called with m.mu held.
func (t *Ticket) wakeAcquire() {
	select {
	case t.ready <- struct{}{}:
	default:
	}
}
