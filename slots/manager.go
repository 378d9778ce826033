package slots

import (
	"sync"
	"time"
)

// Manager counts the slots of any number of adapters.
type Manager struct {
	cfg Config

	// mu is held by every exported method. Unexported methods of this package's types
	// need it, except those of subscriber and its goroutine.
	mu          sync.Mutex
	adapters    map[string]*adapter // guarded by mu, as all below
	waiting     waiting
	unsettled   []string // adapters that may have got a free slot, until settleAdapters
	order       uint64   // of the last ticket or slot
	subscribers map[*subscriber]struct{}
	closed      bool
}

// New returns a Manager without adapters. A nil Config has the defaults.
func New(cfg *Config) *Manager {
	m := &Manager{adapters: map[string]*adapter{}, waiting: newWaiting(), subscribers: map[*subscriber]struct{}{}}
	if cfg != nil {
		m.cfg = *cfg
	}
	return m
}

// Close ends all subscriptions; every Acquire returns ErrClosed from now on. Slots
// are counted as before.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for s := range m.subscribers {
		s.stop()
		delete(m.subscribers, s)
	}
	for _, t := range m.waiting.inOrder() {
		m.waiting.removeTicket(t)
		t.wakeAcquire()
	}
}

// Register adds an adapter, or updates it: the number of links that it carries, 0
// for unknown, and the links that it has now.
// These are counted even if they are more than slots. Slots that were taken before
// and are not among live are released. A learned limit is forgotten.
func (m *Manager) Register(name string, slots int, live ...Link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	a := m.adapters[name]
	if a == nil {
		a = &adapter{name: name, holds: map[string]*hold{}}
		m.adapters[name] = a
	}
	a.slots, a.none = max(0, slots), false
	a.forgetLimit()
	m.reconcile(now, a, live, func(*hold) bool { return true })
	m.unsettled = append(m.unsettled, name)
	m.settleAdapters(now)
}

// SetLimit sets the number of links that an adapter carries, as its far end reports it at
// any time; 0 means none. The slots that are taken stay, even if they are more. If the
// adapter is not registered, SetLimit does nothing.
func (m *Manager) SetLimit(name string, slots int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	a.slots, a.none = max(0, slots), slots <= 0
	a.forgetLimit()
	m.unsettled = append(m.unsettled, name)
	m.settleAdapters(time.Now())
}

// Remove forgets an adapter: its slots are released, and a call of
// Manager.Acquire that waits for this adapter alone returns ErrNoAdapter. Tickets
// wait until it is registered again. If the adapter is not registered, Remove does
// nothing.
func (m *Manager) Remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapters[name]
	if a == nil {
		return
	}
	delete(m.adapters, name)
	a.forgetLimit()
	for _, h := range a.inOrder() {
		m.releaseSlot(h)
	}
	m.waiting.wakeTickets(name)
	m.settleAdapters(time.Now())
}

// registered reports whether an adapter is known.
func (m *Manager) registered(name string) bool { return m.adapters[name] != nil }

// adapterAt returns an adapter with its limit as of now; nil if it is not
// registered.
func (m *Manager) adapterAt(now time.Time, name string) *adapter {
	m.unsettled = append(m.unsettled, name)
	m.settleAdapters(now)
	return m.adapters[name]
}
