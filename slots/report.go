package slots

import (
	"maps"
	"slices"
	"time"
)

// Allocations is what is taken of an adapter.
type Allocations struct {
	Adapter string `json:"adapter"`
	// Slots is how many links the adapter carries, as registered or as learned,
	// whichever is less; Unknown if it is neither, 0 if the adapter is not
	// registered.
	Slots Count `json:"slots"`
	// Free is how many of them are left, 0 also where there are more links than
	// slots; Unknown if Slots is.
	Free Count `json:"free"`
	// Allocated are the addresses that have a slot, in the order in which they
	// took it.
	Allocated []string `json:"allocated"`
}

// Allocations returns what is taken of an adapter; zero slots and an empty list
// for one that is not registered.
func (m *Manager) Allocations(name string) Allocations {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	a := m.adapters[name]
	if a == nil {
		return Allocations{Adapter: name, Allocated: []string{}}
	}
	all, free := a.count()
	return Allocations{Adapter: name, Slots: all, Free: free, Allocated: a.addresses()}
}

// Room reports whether an adapter takes one more link by what is known of it, as
// one whose limit is not known does. One that is not registered does not.
func (m *Manager) Room(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	a := m.adapters[name]
	return a != nil && a.room()
}

// Diagnostics is a snapshot of a Manager for people and for JSON. The first three
// fields are those of BleakSlotManager, with addresses in place of paths.
type Diagnostics struct {
	Manager      bool                `json:"manager"`
	AdapterSlots map[string]int      `json:"adapter_slots"` // as registered
	Allocations  map[string][]string `json:"allocations_by_adapter"`
	Adapters     []AdapterStatus     `json:"adapters"` // by name
	Waiting      []WaitStatus        `json:"waiting"`  // the first to be served first
	Subscribers  int                 `json:"subscribers"`
}

// AdapterStatus is an adapter in detail.
type AdapterStatus struct {
	Adapter string       `json:"adapter"`
	Slots   Count        `json:"slots"`                    // in force
	Free    Count        `json:"free"`                     // Unknown if Slots is
	Learned int          `json:"learned,omitempty"`        // limit that the controller has shown
	Reason  uint8        `json:"learned_reason,omitempty"` // HCI error code that showed it
	Held    []SlotStatus `json:"held"`
}

// SlotStatus is a slot that is taken.
type SlotStatus struct {
	Address   string        `json:"address"`
	Connected bool          `json:"connected"`
	Handle    uint16        `json:"handle"` // if connected
	Priority  int           `json:"priority"`
	Age       time.Duration `json:"age_ns"`
	Idle      time.Duration `json:"idle_ns"`
}

// WaitStatus is someone who waits for a slot.
type WaitStatus struct {
	Address  string   `json:"address"`
	Adapters []string `json:"adapters"`
	Priority int      `json:"priority"`
}

// Diagnostics returns the state of everything.
func (m *Manager) Diagnostics() Diagnostics {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.settle(now)
	d := Diagnostics{
		Manager: true, AdapterSlots: map[string]int{}, Allocations: map[string][]string{},
		Adapters: []AdapterStatus{}, Waiting: []WaitStatus{}, Subscribers: len(m.subscribers),
	}
	for _, name := range slices.Sorted(maps.Keys(m.adapters)) {
		a := m.adapters[name]
		d.AdapterSlots[name] = a.slots
		d.Allocations[name] = a.addresses()
		all, free := a.count()
		s := AdapterStatus{
			Adapter: name, Slots: all, Free: free,
			Learned: a.learned.limit, Reason: a.learned.reason, Held: []SlotStatus{},
		}
		for _, h := range a.holds {
			s.Held = append(s.Held, SlotStatus{
				Address: h.address, Connected: h.connected, Handle: h.handle, Priority: h.priority,
				Age: now.Sub(h.since), Idle: now.Sub(h.used),
			})
		}
		d.Adapters = append(d.Adapters, s)
	}
	for _, w := range m.waiters.list {
		d.Waiting = append(d.Waiting, WaitStatus{Address: w.request.Address, Adapters: slices.Clone(w.request.Adapters), Priority: w.request.Priority})
	}
	return d
}
