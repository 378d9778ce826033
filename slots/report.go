package slots

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Usage tells how many slots of an adapter there are, are taken and are free.
type Usage struct {
	// Slots is the number of links that the adapter carries, as registered or else
	// as learned; Unknown if it is neither, 0 if the adapter is not registered.
	Slots Count `json:"slots"`
	// Used is the number of slots taken. It exceeds Slots if there are more links
	// than slots.
	Used int `json:"used"`
	// Free is the number of slots left, never below 0; Unknown if Slots is.
	Free Count `json:"free"`
}

// Usage returns the usage of an adapter.
func (m *Manager) Usage(name string) Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.adapterAt(time.Now(), name); a != nil {
		return a.usage()
	}
	return Usage{}
}

// Room reports whether an adapter is registered and may take one more link. An
// adapter of unknown capacity may.
func (m *Manager) Room(name string) bool { return m.Usage(name).Free != 0 }

// Allocations lists the slots of an adapter that are taken.
type Allocations struct {
	Adapter string `json:"adapter"`
	Slots   Count  `json:"slots"` // see Usage
	Free    Count  `json:"free"`  // see Usage
	// Allocated holds the addresses that have a slot, in the order in which they
	// took it.
	Allocated []string `json:"allocated"`
}

// Allocations returns the slots taken of an adapter; zero slots and an empty list
// for one that is not registered.
func (m *Manager) Allocations(name string) Allocations {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.adapterAt(time.Now(), name)
	if a == nil {
		return Allocations{Adapter: name, Allocated: []string{}}
	}
	u := a.usage()
	return Allocations{Adapter: name, Slots: u.Slots, Free: u.Free, Allocated: addressesOf(a.inOrder())}
}

// Diagnostics is a snapshot of a Manager for people and for JSON. The first three
// fields are those of bleak's BleakSlotManager, with addresses in place of paths.
type Diagnostics struct {
	Manager      bool                `json:"manager"`
	AdapterSlots map[string]int      `json:"adapter_slots"` // as registered
	Allocations  map[string][]string `json:"allocations_by_adapter"`
	Adapters     []AdapterStatus     `json:"adapters"` // by name
	Waiting      []WaitStatus        `json:"waiting"`  // the first to be granted a slot first
	Subscribers  int                 `json:"subscribers"`
}

// AdapterStatus is an adapter in detail.
type AdapterStatus struct {
	Adapter string       `json:"adapter"`
	Slots   Count        `json:"slots"`                    // in force
	Free    Count        `json:"free"`                     // Unknown if Slots is
	Learned int          `json:"learned,omitempty"`        // limit learned from refusals
	Reason  uint8        `json:"learned_reason,omitempty"` // HCI error code of the refusals
	Held    []SlotStatus `json:"held"`
}

// SlotStatus is a slot that is taken, in detail.
type SlotStatus struct {
	Address   string
	Connected bool
	Handle    uint16 // if connected
	Priority  int
	Age       time.Duration
	Idle      time.Duration
}

// slotStatusJSON is the JSON of a SlotStatus, with times in milliseconds.
type slotStatusJSON struct {
	Address   string  `json:"address"`
	Connected bool    `json:"connected"`
	Handle    uint16  `json:"handle"`
	Priority  int     `json:"priority"`
	Age       float64 `json:"age_ms"`
	Idle      float64 `json:"idle_ms"`
}

// MarshalJSON encodes the status with its times in milliseconds, as age_ms and idle_ms.
func (s SlotStatus) MarshalJSON() ([]byte, error) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return json.Marshal(slotStatusJSON{s.Address, s.Connected, s.Handle, s.Priority, ms(s.Age), ms(s.Idle)})
}

// UnmarshalJSON decodes the form of MarshalJSON.
func (s *SlotStatus) UnmarshalJSON(b []byte) error {
	var j slotStatusJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	d := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
	*s = SlotStatus{j.Address, j.Connected, j.Handle, j.Priority, d(j.Age), d(j.Idle)}
	return nil
}

// WaitStatus is a ticket that waits for a slot.
type WaitStatus struct {
	Address  string   `json:"address"`
	Adapters []string `json:"adapters"`
	Priority int      `json:"priority"`
}

// Diagnostics returns a snapshot.
func (m *Manager) Diagnostics() Diagnostics {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	d := Diagnostics{
		Manager: true, AdapterSlots: map[string]int{}, Allocations: map[string][]string{},
		Adapters: []AdapterStatus{}, Waiting: []WaitStatus{}, Subscribers: len(m.subscribers),
	}
	for _, name := range slices.Sorted(maps.Keys(m.adapters)) {
		a := m.adapterAt(now, name)
		holds, usage := a.inOrder(), a.usage()
		d.AdapterSlots[name] = a.slots
		d.Allocations[name] = addressesOf(holds)
		s := AdapterStatus{
			Adapter: name, Slots: usage.Slots, Free: usage.Free,
			Learned: a.learned.room(), Reason: a.learned.reason, Held: []SlotStatus{},
		}
		for _, h := range holds {
			s.Held = append(s.Held, SlotStatus{
				Address: h.address, Connected: h.connected, Handle: h.handle, Priority: h.priority,
				Age: now.Sub(h.since), Idle: now.Sub(h.used),
			})
		}
		d.Adapters = append(d.Adapters, s)
	}
	for _, t := range m.waiting.inOrder() {
		d.Waiting = append(d.Waiting, WaitStatus{Address: t.address, Adapters: slices.Clone(t.adapters), Priority: t.priority})
	}
	return d
}
