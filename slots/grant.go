package slots

import (
	"slices"
	"time"
)

// requestSlot lets a ticket share a slot that its address has, or else wait.
func (m *Manager) requestSlot(t *Ticket) {
	for _, name := range t.adapters {
		if a := m.adapters[name]; a != nil && a.holds[t.address] != nil {
			m.offerSlot(a.holds[t.address], t)
			return
		}
	}
	if len(t.adapters) > 0 {
		m.waiting.addTicket(t)
		m.unsettled = append(m.unsettled, t.adapters...)
	}
}

// settleAdapters grants the free slots of unsettled adapters. It must be called
// before mu is unlocked, so that no ticket waits for an adapter with a free slot.
// A learned limit is probed early only for a ticket that waits after that.
func (m *Manager) settleAdapters(now time.Time) {
	for _, name := range m.unsettled {
		if a := m.adapters[name]; a != nil {
			a.learned.allowProbe(now)
			m.grantSlots(now, a)
		}
	}
	for _, name := range m.unsettled {
		a := m.adapters[name]
		if a != nil && a.learned.mayProbeEarly(now) && m.waiting.queues.first(name) != nil {
			a.learned.raiseForProbe()
			m.grantSlots(now, a)
		}
	}
	m.unsettled = m.unsettled[:0]
}

// grantSlots grants the free slots of an adapter.
func (m *Manager) grantSlots(now time.Time, a *adapter) {
	for a.mayGrant() {
		t := m.waiting.queues.first(a.name)
		if t == nil {
			break
		}
		m.grantSlot(now, t)
	}
}

// grantSlot takes a slot for a ticket on the best of its adapters that may grant one,
// which at least one must.
func (m *Manager) grantSlot(now time.Time, t *Ticket) {
	for _, name := range t.adapters {
		if a := m.adapters[name]; a != nil && a.mayGrant() {
			m.allocateSlot(now, a, t.address, t.priority)
			return
		}
	}
}

// allocateSlot takes a slot, and offers it to the tickets that wait for it.
func (m *Manager) allocateSlot(now time.Time, a *adapter, address string, priority int) *hold {
	m.order++
	h := &hold{adapter: a, address: address, priority: priority, order: m.order, since: now, used: now}
	a.holds[address] = h
	m.publish(a, Allocated, address)
	for _, t := range slices.Clone(m.waiting.byAddress[address]) {
		if slices.Contains(t.adapters, a.name) {
			m.offerSlot(h, t)
		}
	}
	return h
}

// offerSlot answers a ticket with a slot.
func (m *Manager) offerSlot(h *hold, t *Ticket) {
	m.waiting.removeTicket(t)
	t.slot, t.offered = h, true
	h.offers = append(h.offers, t)
	h.priority = max(h.priority, t.priority)
	t.wakeAcquire()
}

// withdrawOffer takes back the offer to a ticket, and frees the slot unless another
// ticket, a caller or a link has it.
func (m *Manager) withdrawOffer(t *Ticket) {
	h := t.slot
	t.slot, t.offered = nil, false
	if h.removeOffer(t); !h.taken && len(h.offers) == 0 {
		m.releaseSlot(h)
	}
}

// releaseSlot frees a slot. The tickets to which it was offered wait again, at
// their place in the queue. So do those that wait aside for the end of a link.
func (m *Manager) releaseSlot(h *hold) {
	a := h.adapter
	delete(a.holds, h.address)
	if h.connected {
		a.links--
	}
	m.publish(a, Released, h.address)
	m.unsettled = append(m.unsettled, a.name)
	for _, t := range h.offers {
		t.slot, t.offered = nil, false
		m.requestSlot(t)
	}
	if h.connected {
		for t := m.waiting.aside.first(a.name); t != nil; t = m.waiting.aside.first(a.name) {
			m.waiting.removeTicket(t)
			m.requestSlot(t)
		}
	}
}
