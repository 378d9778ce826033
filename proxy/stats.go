package proxy

import (
	"cmp"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Stats is a snapshot of a Server.
type Stats struct {
	Clients []ClientStats // the first that came first
	Links   []LinkStats   // by address
	// SlotLimit is how many links the Server can have, and SlotsUsed how many slots its links
	// and attempts take.
	SlotLimit, SlotsUsed int
	// Scanning reports whether a client wants advertisements, and Active whether the scan asks
	// for scan responses.
	Scanning, Active bool
	// Heard counts the reports of all adapters, and Sent those that were selected for the
	// clients.
	Heard, Sent uint64
	// Lost counts the messages with reports that slow clients have lost, and LostValues their
	// notifications.
	Lost, LostValues uint64
}

// ClientStats is a client of a Server.
type ClientStats struct {
	Name, Address string
	Since         time.Time
	Reports       bool // it wants advertisements
	Links         int
	Lost          uint64 // messages with reports
}

// LinkStats is a link of a Server, or an attempt to make one.
type LinkStats struct {
	Addr   hci.Addr
	Client string // the name of its owner
	Since  time.Time
	Up     bool
}

// Stats returns a snapshot. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := s.slotsLocked()
	st := Stats{
		SlotLimit: int(slots.Limit), SlotsUsed: len(slots.Allocated), Active: s.mode != 0,
		Heard: s.heard.Load(), Sent: s.sent.Load(), Lost: s.lost, LostValues: s.lostValues.Load(),
	}
	for _, c := range s.clients {
		lost := c.session.Dropped()
		st.Lost += lost
		st.Scanning = st.Scanning || c.wantsReports
		one := ClientStats{Name: c.session.Client().Client, Address: c.address, Since: c.since, Reports: c.wantsReports, Lost: lost}
		for _, l := range s.links {
			if l.owner == c {
				one.Links++
			}
		}
		st.Clients = append(st.Clients, one)
	}
	for _, l := range s.links {
		st.Links = append(st.Links, LinkStats{Addr: l.dev, Client: l.owner.session.Client().Client, Since: l.since, Up: l.mtu > 0})
	}
	slices.SortFunc(st.Links, func(a, b LinkStats) int { return cmp.Compare(a.Addr.String(), b.Addr.String()) })
	return st
}
