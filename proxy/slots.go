package proxy

import (
	"slices"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// slotsLocked returns the slots as they are now. Links of programs beside the clients
// reduce the limit, so that Allocated always has Limit − Free devices.
func (s *Server) slotsLocked() esphome.Slots {
	limit := 0
	for _, a := range s.m.Adapters() {
		if state, _ := a.State(); state == connmgr.AdapterUp {
			limit += s.slotsOfLocked(a.Name())
		}
	}
	if s.cfg.MaxConnections > 0 {
		limit = min(limit, s.cfg.MaxConnections)
	}
	allocated := make([]esphome.Address, 0, len(s.links))
	for a := range s.links {
		allocated = append(allocated, esphome.AddressOf(a))
	}
	slices.Sort(allocated)
	limit = max(limit, len(allocated)) // links of an adapter that is going
	free := limit - len(allocated)
	//nolint:gosec // both are small
	return esphome.Slots{Limit: uint32(limit), Free: uint32(free), Allocated: allocated}
}

// slotsOfLocked returns the slots of an adapter that clients can have.
func (s *Server) slotsOfLocked(adapter string) int {
	alloc := s.m.Slots().Allocations(adapter)
	n := int(alloc.Slots)
	if n < 0 {
		n = max(DefaultSlots, len(alloc.Allocated))
	}
	for _, text := range alloc.Allocated {
		if mac, err := hci.ParseMAC(text); err == nil && s.links[mac] == nil {
			n-- // another program's
		}
	}
	return max(n, 0)
}

// tellSlotsLocked tells the clients that asked of the slots, if they have changed.
func (s *Server) tellSlotsLocked() {
	now := s.slotsLocked()
	for _, c := range s.clients {
		if t := &c.slots; c.wantsSlots && (t.Free != now.Free || t.Limit != now.Limit || !slices.Equal(t.Allocated, now.Allocated)) {
			c.sendSlotsLocked(now)
		}
	}
}

// sendSlotsLocked tells a client of the slots.
func (c *client) sendSlotsLocked(now esphome.Slots) {
	c.slots = now
	c.session.Send(&now)
}
