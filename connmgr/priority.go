package connmgr

import (
	"slices"
	"sync"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/slots"
)

// One dial serves all callers for a device, and one link all of its Clients. So all callers
// for a device wait with the highest of their priorities, and may end links as the one of
// them that may do so most. A link has the highest priority of its Clients and of those
// who wait for its device. All of this is computed anew when one of them comes or goes: a
// caller that has given up leaves nothing behind.

// place is the place of one Establish in the queue for slots. The Establish keeps it from
// its first attempt to its end.
type place struct {
	ticket   *slots.Ticket
	mac      hci.MAC
	priority int           // of the caller itself
	evict    bool          // the caller itself allows evictions
	raised   chan struct{} // one token: evicts has changed
	yield    chan struct{} // one token: a device that is on air waits for the slot of the dial
	evicts   bool          // evictions are allowed; guarded by places.mu, as all below
	below    int           // the priority below which links may be ended
	wants    int           // the priority of the ticket
}

// places holds the places of all calls of Establish, and the Clients of all links, by
// device.
type places struct {
	mu      sync.Mutex
	byMAC   map[hci.MAC][]*place  // guarded by mu, as all below
	clients map[hci.MAC][]*Client // of links, which have these peers
	dials   map[*Adapter]*dialing
}

func newPlaces() *places {
	return &places{byMAC: map[hci.MAC][]*place{}, clients: map[hci.MAC][]*Client{}, dials: map[*Adapter]*dialing{}}
}

// takePlace takes a place in the queue; the caller must call leavePlace in the end.
func (m *Manager) takePlace(mac hci.MAC, priority int, evict bool) *place {
	p := &place{
		ticket: m.slots.Ticket(mac.String(), priority), mac: mac, priority: priority, evict: evict,
		raised: make(chan struct{}, 1), yield: make(chan struct{}, 1),
	}
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	m.places.byMAC[mac] = append(m.places.byMAC[mac], p)
	m.shareRightsLocked(mac)
	return p
}

func (m *Manager) leavePlace(p *place) {
	p.ticket.Close()
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	dropValue(m.places.byMAC, p.mac, p)
	m.shareRightsLocked(p.mac)
}

// addClient enters a Client of a link.
func (m *Manager) addClient(c *Client) {
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	mac := c.link.peer.MAC
	m.places.clients[mac] = append(m.places.clients[mac], c)
	m.shareRightsLocked(mac)
}

// dropClient removes a Client of a link.
func (m *Manager) dropClient(c *Client) {
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	mac := c.link.peer.MAC
	dropValue(m.places.clients, mac, c)
	m.shareRightsLocked(mac)
}

// dropValue removes a value from a list by devices.
func dropValue[T comparable](by map[hci.MAC][]T, mac hci.MAC, v T) {
	rest := slices.DeleteFunc(by[mac], func(o T) bool { return o == v })
	if by[mac] = rest; len(rest) == 0 {
		delete(by, mac)
	}
}

// shareRightsLocked gives all callers for a device, and its link, the priority and the
// rights that they have together. places.mu must be held.
func (m *Manager) shareRightsLocked(mac hci.MAC) {
	all, clients := m.places.byMAC[mac], m.places.clients[mac]
	var best place
	for i, p := range all {
		if i == 0 || p.priority > best.wants {
			best.wants = p.priority
		}
		if p.evict && (!best.evicts || p.priority > best.below) {
			best.evicts, best.below = true, p.priority
		}
	}
	for _, p := range all {
		p.takeRightsLocked(&best)
	}
	if len(clients) == 0 {
		return
	}
	of := clients[0].opts.Priority
	for _, c := range clients {
		of = max(of, c.opts.Priority)
	}
	if len(all) > 0 {
		of = max(of, best.wants)
	}
	for _, c := range clients {
		m.slots.SetPriority(c.Adapter(), mac.String(), of)
	}
}

// takeRightsLocked gives a caller the priority and the rights of the best one.
// places.mu must be held.
func (p *place) takeRightsLocked(best *place) {
	p.wants = best.wants
	p.ticket.SetPriority(p.wants)
	if best.evicts && (!p.evicts || best.below > p.below) {
		select {
		case p.raised <- struct{}{}:
		default:
		}
	}
	p.evicts, p.below = best.evicts, best.below
}

// mayEvict returns the priority below which links may be ended for a place.
func (m *Manager) mayEvict(p *place) (below int, ok bool) {
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	return p.below, p.evicts
}
