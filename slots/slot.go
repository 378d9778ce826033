package slots

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// hold is a slot that is taken.
type hold struct {
	adapter   *adapter
	address   string
	order     uint64 // of taking, over all adapters
	priority  int
	since     time.Time
	used      time.Time // when the link was last in use
	connected bool
	handle    uint16    // of the link, if connected
	taken     bool      // a caller or a link has it; if not, only offers keep it
	offers    []*Ticket // granted this slot, which Acquire has not returned yet
}

func (h *hold) removeOffer(t *Ticket) {
	h.offers = slices.DeleteFunc(h.offers, func(x *Ticket) bool { return x == t })
}

// TryAllocate takes a slot for an address, without waiting, and reports whether
// there was one. An address that has one keeps it and is counted once. An adapter
// that is not registered is not managed: the result is true, and nothing is counted.
func (m *Manager) TryAllocate(name, address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	a := m.adapterAt(now, name)
	if a == nil {
		return true
	}
	h := a.holds[address]
	if h == nil {
		if !a.hasRoom() {
			return false
		}
		h = m.allocateSlot(now, a, address, 0)
	}
	h.taken = true
	return true
}

// Release gives back the slot of an attempt that was given up, and reports
// whether there was one. The slot of a link stays: the end of the link releases it.
func (m *Manager) Release(name, address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return false
	}
	h := a.holds[address]
	if h == nil || h.connected {
		return false
	}
	m.releaseSlot(h)
	m.settleAdapters(time.Now())
	return true
}

// Touch reports that a link is in use: Idlest lists it last.
func (m *Manager) Touch(name, address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.adapters[name]; a != nil {
		if h := a.holds[address]; h != nil {
			h.used = time.Now()
		}
	}
}

// SetPriority changes the priority of a slot, see Idlest.
func (m *Manager) SetPriority(name, address string, priority int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.adapters[name]; a != nil {
		if h := a.holds[address]; h != nil {
			h.priority = priority
		}
	}
}

// Idlest returns the addresses of the links of an adapter with a priority below
// the given one: the candidates to end in favor of one that matters more. The link
// that has not been in use for the longest time comes first. No link is ended.
func (m *Manager) Idlest(name string, below int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return nil
	}
	idle := slices.DeleteFunc(a.inOrder(), func(h *hold) bool { return !h.connected || h.priority >= below })
	slices.SortStableFunc(idle, func(a, b *hold) int { return a.used.Compare(b.used) })
	return addressesOf(idle)
}

// inOrder returns the slots of an adapter in the order in which they were taken.
func (a *adapter) inOrder() []*hold {
	return slices.SortedFunc(maps.Values(a.holds), byOrder)
}

func byOrder(x, y *hold) int { return cmp.Compare(x.order, y.order) }

func addressesOf(holds []*hold) []string {
	list := make([]string, len(holds))
	for i, h := range holds {
		list[i] = h.address
	}
	return list
}
