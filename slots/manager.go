package slots

import (
	"slices"
	"sync"
	"time"
)

// Manager counts the slots of any number of adapters.
type Manager struct {
	cfg Config

	mu          sync.Mutex
	adapters    map[string]*adapter // guarded by mu, as all below
	waiters     waiters
	subscribers map[*subscriber]struct{}
	timer       *time.Timer // of the next rise of a learned limit; nil: none
	closed      bool
}

// New returns a Manager without adapters. A nil Config has the defaults.
func New(cfg *Config) *Manager {
	m := &Manager{adapters: map[string]*adapter{}, subscribers: map[*subscriber]struct{}{}}
	if cfg != nil {
		m.cfg = *cfg
	}
	return m
}

// Close ends all subscriptions and lets those who wait in Acquire go with
// ErrClosed. Counting goes on.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for s := range m.subscribers {
		s.stop()
		delete(m.subscribers, s)
	}
	for _, w := range m.waiters.takeAll() {
		w.answer <- answer{err: ErrClosed}
	}
	m.arm(time.Time{}, time.Time{})
}

// Link is a connection that an adapter really has.
type Link struct {
	Address string
	Handle  uint16 // the controller's
}

// Register makes an adapter known, or changes what is known of it: how many
// links it carries, 0 if that is not known and nothing is to be refused until
// the controller does, and which it has now. Those that it has are counted even
// if they are more than slots. Slots that were taken before and are not among
// live are free again, with their events, and a learned limit is forgotten.
func (m *Manager) Register(name string, slots int, live ...Link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	a := m.adapters[name]
	if a == nil {
		a = &adapter{name: name}
		m.adapters[name] = a
	}
	a.slots = max(0, slots)
	a.learned = learned{}
	m.reconcile(now, a, live, func(*hold) bool { return true })
	m.settle(now)
}

// Remove forgets an adapter: its slots are released, with their events, and
// whoever waits for this adapter alone gets ErrNoAdapter. Of an adapter that is
// not registered it does nothing.
func (m *Manager) Remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	for len(a.holds) > 0 {
		m.release(a, a.holds[0])
	}
	delete(m.adapters, name)
	m.settle(time.Now())
}

// TryAllocate takes a slot for an address and reports whether there was one. An
// address that has one already keeps it and counts once. An adapter that is not
// registered is not managed: everything is allowed and nothing counted.
func (m *Manager) TryAllocate(name, address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.settle(now)
	a := m.adapters[name]
	if a == nil || a.find(address) != nil {
		return true
	}
	if !a.room() {
		return false
	}
	m.allocate(now, a, &hold{address: address})
	return true
}

// Release gives back the slot of an attempt that was given up, and reports
// whether there was one. A slot whose link is up stays: its end releases it.
func (m *Manager) Release(name, address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return false
	}
	h := a.find(address)
	if h == nil || h.connected {
		return false
	}
	m.release(a, h)
	m.settle(time.Now())
	return true
}

// Connected says that a link is up. A link that nobody took a slot for takes one
// now, even if there is none left.
func (m *Manager) Connected(name, address string, handle uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	m.connected(time.Now(), a, Link{Address: address, Handle: handle})
}

func (m *Manager) connected(now time.Time, a *adapter, l Link) {
	h := a.find(l.Address)
	if h == nil {
		h = &hold{address: l.Address}
		m.allocate(now, a, h)
	}
	if !h.connected {
		h.used = now
	}
	h.connected, h.handle = true, l.Handle
	a.exceed()
}

// Disconnected says that a link has ended and releases its slot. It does nothing
// where the address has none, or meanwhile has a link with another handle.
func (m *Manager) Disconnected(name, address string, handle uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	h := a.find(address)
	if h == nil || h.connected && h.handle != handle {
		m.cfg.logger().Debug("late end of a link", "adapter", name, "address", address, "handle", handle)
		return
	}
	m.release(a, h)
	m.settle(time.Now())
}

// Touch says that a link is in use, so that it is not the idlest.
func (m *Manager) Touch(name, address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.adapters[name]; a != nil {
		if h := a.find(address); h != nil {
			h.used = time.Now()
		}
	}
}

// Reconcile corrects the slots of an adapter by the links that its controller
// has: what ended or began without an event is released or taken, with events.
// A slot that was taken for an attempt stays until Config.ReservationTimeout.
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
	m.settle(now)
}

// reconcile releases holds that are gone by what live and a rule say.
func (m *Manager) reconcile(now time.Time, a *adapter, live []Link, gone func(*hold) bool) {
	alive := map[string]bool{}
	for _, l := range live {
		alive[l.Address] = true
	}
	for _, h := range append([]*hold(nil), a.holds...) {
		if !alive[h.address] && gone(h) {
			m.release(a, h)
		}
	}
	for _, l := range live {
		m.connected(now, a, l)
	}
}

// Refused says that the controller refused a link to an address with an HCI
// error code. If it did for want of room (Memory Capacity Exceeded 0x07,
// Connection Limit Exceeded 0x09, Limited Resources 0x0D), the links that it has
// are its limit from now on, one at least, and the result is true.
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
	now := time.Now()
	a.refuse(now, address, reason)
	m.settle(now)
	return true
}

// Idlest returns the addresses of the links of an adapter that have a priority
// below the given one, which has been of no use for the longest time first: those
// to end in favor of something that matters more. It does not end them.
func (m *Manager) Idlest(name string, below int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return nil
	}
	var idle []*hold
	for _, h := range a.holds {
		if h.connected && h.priority < below {
			idle = append(idle, h)
		}
	}
	slices.SortStableFunc(idle, func(a, b *hold) int { return a.used.Compare(b.used) })
	addresses := make([]string, len(idle))
	for i, h := range idle {
		addresses[i] = h.address
	}
	return addresses
}

func (m *Manager) allocate(now time.Time, a *adapter, h *hold) {
	h.since, h.used = now, now
	a.holds = append(a.holds, h)
	m.publish(a, Allocated, h.address)
}

func (m *Manager) release(a *adapter, h *hold) {
	a.remove(h)
	m.publish(a, Released, h.address)
}

// settle lets learned limits rise, gives free slots to those who wait, and sets
// the timer for the next rise. It follows every change that may free a slot.
func (m *Manager) settle(now time.Time) {
	var next time.Time
	for _, a := range m.adapters {
		due := a.decay(now, m.cfg.limitDecay())
		if next.IsZero() || !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	m.grant(now)
	m.arm(now, next)
}

// arm sets the timer; only those who wait need it.
func (m *Manager) arm(now, next time.Time) {
	if m.timer != nil {
		m.timer.Stop()
		m.timer = nil
	}
	if next.IsZero() || m.closed || m.waiters.empty() {
		return
	}
	m.timer = time.AfterFunc(next.Sub(now), func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.settle(time.Now())
	})
}
