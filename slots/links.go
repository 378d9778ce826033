package slots

import (
	"slices"
	"time"
)

// Link is a link that an adapter has.
type Link struct {
	Address string
	Handle  uint16 // the controller's
}

// Connected reports that a link is up. A link for whose address no slot was taken
// takes one now, even if there is none left.
func (m *Manager) Connected(name, address string, handle uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	now := time.Now()
	m.countLink(now, a, Link{Address: address, Handle: handle})
	m.settleAdapters(now)
}

// Disconnected reports that a link has ended, and releases its slot. It does
// nothing if the address has no slot, or has a link with another handle by now.
func (m *Manager) Disconnected(name, address string, handle uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	h := a.holds[address]
	if h == nil || h.connected && h.handle != handle {
		m.cfg.logger().Debug("late end of a link", "adapter", name, "address", address, "handle", handle)
		return
	}
	m.releaseSlot(h)
	m.settleAdapters(time.Now())
}

// Reconcile corrects the slots of an adapter by the complete list of its links:
// it releases the slots of links that ended without a report, and takes slots for
// links that came up without one. A slot that was taken for an attempt stays until
// Config.ReservationTimeout.
func (m *Manager) Reconcile(name string, live []Link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	now, limit := time.Now(), m.cfg.reservationTimeout()
	m.reconcile(now, a, live, func(h *hold) bool {
		return h.connected || limit > 0 && now.Sub(h.since) >= limit
	})
	m.settleAdapters(now)
}

// reconcile releases the slots for which there is no live link and gone reports
// true, and counts the live links.
func (m *Manager) reconcile(now time.Time, a *adapter, live []Link, gone func(*hold) bool) {
	alive := make(map[string]bool, len(live))
	for _, l := range live {
		alive[l.Address] = true
	}
	var ended []*hold
	for _, h := range a.holds {
		if !alive[h.address] && gone(h) {
			ended = append(ended, h)
		}
	}
	slices.SortFunc(ended, byOrder)
	for _, h := range ended {
		m.releaseSlot(h)
	}
	for _, l := range live {
		m.countLink(now, a, l)
	}
}

// countLink notes that a link is up.
func (m *Manager) countLink(now time.Time, a *adapter, l Link) {
	h := a.holds[l.Address]
	if h == nil {
		h = m.allocateSlot(now, a, l.Address, 0)
	}
	if !h.connected {
		h.connected, h.used = true, now
		a.links++
		a.learned.raiseLimit(a.links)
		m.unsettled = append(m.unsettled, a.name)
	}
	h.handle, h.taken = l.Handle, true
}

// Refused reports that the controller refused a link to an address with an HCI
// error code. The result tells whether the code means a lack of room: Memory
// Capacity Exceeded (0x07), Connection Limit Exceeded (0x09) and Limited Resources
// (0x0D) do.
//
// Such refusals teach the limit of an adapter that is registered without a number
// of slots; a registered number is never lowered. After one, there is room for one
// link more than there are, until that one is up or for Config.ProbeDelay. Two of
// them in a row beside the same number of links make that number the limit, one link
// at least. The second
// one counts only if its slot was taken after the first refusal, since one event
// of a controller may fail several dials. After Config.ProbeDelay the limit rises
// by one for a probe. If the probe is refused, the delay doubles, but while a ticket
// waits for the adapter it is 16 s at most; if it succeeds, the limit rises to twice the
// number of links, and so on with each further link.
func (m *Manager) Refused(name, address string, reason uint8) bool {
	switch reason {
	case 0x07, 0x09, 0x0D:
	default:
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return false
	}
	if h := a.holds[address]; a.slots != 0 || a.none || h != nil && !h.connected && h.order <= a.learned.counted {
		return true
	}
	now := time.Now()
	a.learned.counted = m.order
	a.learned.addRefusal(now, a.linksBeside(address), reason, m.cfg.probeDelay())
	m.armProbe(now, a)
	return true
}

// armProbe sets the timer for the next change of a learned limit.
func (m *Manager) armProbe(now time.Time, a *adapter) {
	a.stopProbe()
	due := a.learned.nextChange(now)
	if due.IsZero() {
		return
	}
	a.probe = time.AfterFunc(due.Sub(now), func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if now := time.Now(); m.adapterAt(now, a.name) == a {
			m.armProbe(now, a)
		}
	})
}
