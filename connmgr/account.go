package connmgr

import (
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/slots"
)

// account keeps the connection slots in step with the links. One lock covers reading
// a controller's list of links and entering or removing links: an outdated list
// would give a slot to a link that has ended.
type account struct {
	mu      sync.Mutex
	foreign map[*controller.Link]struct{} // not the Manager's; guarded by mu, as all below
	own     map[*controller.Link]string   // the Manager's, with the address that has the slot
	checked map[*Adapter]time.Time        // when VerifyLinks began last

	reconciled map[*Adapter]reconciled

	holders map[hci.MAC]hci.Addr // the devices that hold slots; owned by slotChanged
}

func newAccount() account {
	return account{
		foreign: map[*controller.Link]struct{}{}, own: map[*controller.Link]string{},
		checked: map[*Adapter]time.Time{}, reconciled: map[*Adapter]reconciled{}, holders: map[hci.MAC]hci.Addr{},
	}
}

// linkUp enters a new link of the Manager.
func (m *Manager) linkUp(l *link) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	delete(m.account.foreign, l.conn.Link())
	m.account.own[l.conn.Link()] = l.peer.MAC.String()
	m.slots.Connected(l.adapter.name, l.peer.MAC.String(), uint16(l.conn.Link().Handle()))
	m.links.addLink(l)
}

// linkDown removes a link that has ended. The slot is released first, since a dial may
// begin as soon as the link is in no list.
func (m *Manager) linkDown(l *link) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	delete(m.account.own, l.conn.Link())
	m.slots.Disconnected(l.adapter.name, l.peer.MAC.String(), uint16(l.conn.Link().Handle()))
	m.links.removeLink(l)
	m.wake.signal(news{linkEnded, l.adapter})
}

// reconcileEvery is the longest time after which the slots of an adapter are corrected
// even if its links are the same as before.
const reconcileEvery = 10 * time.Second

// reconciled is the list of links by which slots were corrected last.
type reconciled struct {
	links []*controller.Link
	at    time.Time
}

// reconcileSlots corrects the slots of adapters by the lists of links of their
// controllers, so that the loss of an event costs a slot only until the next attempt.
func (m *Manager) reconcileSlots(as []*Adapter) {
	for _, a := range m.unreconciled(as) {
		if h := a.up(); h != nil {
			m.reconcileLinks(a, h, m.foreignPeers(h))
		}
	}
}

// unreconciled returns those of the adapters whose links are other ones than those by which
// their slots were corrected lately.
func (m *Manager) unreconciled(as []*Adapter) (differ []*Adapter) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	for _, a := range as {
		last, h := m.account.reconciled[a], a.up()
		if h != nil && (time.Since(last.at) >= reconcileEvery || !slices.Equal(h.Controller().Links(), last.links)) {
			differ = append(differ, a)
		}
	}
	return differ
}

// reconcileLinks corrects the slots of an adapter, given the addresses of the peers of
// links that are not the Manager's.
func (m *Manager) reconcileLinks(a *Adapter, h *host.Host, foreign map[*controller.Link]string) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	links := h.Controller().Links()
	m.account.reconciled[a] = reconciled{links, time.Now()}
	live := make([]slots.Link, 0, len(links))
	for _, l := range links {
		address, own := m.account.own[l] // even if the identity has become known since
		if !own {
			if address = foreign[l]; address == "" {
				continue // new: its owner counts it
			}
			m.countForeignLocked(a, l, address)
		}
		live = append(live, slots.Link{Address: address, Handle: uint16(l.Handle())})
	}
	m.slots.Reconcile(a.name, live)
}

// foreignPeers returns the addresses of the peers of a controller's links that are not
// the Manager's. It may read bonds, and so account.mu must not be held.
func (m *Manager) foreignPeers(h *host.Host) map[*controller.Link]string {
	var address map[*controller.Link]string
	for _, l := range h.Controller().Links() {
		m.account.mu.Lock()
		_, own := m.account.own[l]
		m.account.mu.Unlock()
		if own {
			continue
		}
		if address == nil {
			address = map[*controller.Link]string{}
		}
		address[l] = identityOf(h, l.Peer()).MAC.String()
	}
	return address
}

// countForeignLocked releases the slot of a link that is not, or not yet, the
// Manager's when that link ends. account.mu must be held.
func (m *Manager) countForeignLocked(a *Adapter, l *controller.Link, address string) {
	if _, ok := m.account.foreign[l]; ok {
		return
	}
	m.account.foreign[l] = struct{}{}
	m.tasks.Go(func() {
		<-l.Done()
		m.account.mu.Lock()
		defer m.account.mu.Unlock()
		if _, ok := m.account.foreign[l]; ok {
			delete(m.account.foreign, l)
			m.slots.Disconnected(a.name, address, uint16(l.Handle()))
			m.wake.signal(news{linkEnded, a})
		}
	})
}

// slotChanged emits the events of the slots. It runs on the one goroutine of its
// subscription.
func (m *Manager) slotChanged(ev slots.Event) {
	// A program may use Slots with names that are no addresses.
	mac, err := hci.ParseMAC(ev.Address)
	if err != nil {
		return
	}
	addr, ok := m.account.holders[mac]
	if !ok {
		addr = m.addrOf(mac)
	}
	m.account.holders[mac] = addr // the link may be in no list any more when its slot is released
	if ev.Change == slots.Released {
		delete(m.account.holders, mac)
	}
	m.bus.emitMade(func() Event {
		return SlotsChanged{time.Now(), ev.Adapter, addr, ev.Change == slots.Allocated, ev.Used, ev.Free}
	})
}

// evictLink ends the link of lower priority that has been idle for the longest time, if
// none of the ranked adapters has a free slot. It returns that link; nil if there is none.
func (m *Manager) evictLink(ranked []*Adapter, priority int) *link {
	for _, a := range ranked {
		if m.slots.Room(a.name) {
			return nil
		}
	}
	links := m.links.listLinks()
	for _, a := range ranked {
		for _, address := range m.slots.Idlest(a.name, priority) {
			i := slices.IndexFunc(links, func(l *link) bool { return l.adapter == a && l.peer.MAC.String() == address })
			if i < 0 || !links[i].markEvicted() {
				continue // not the Manager's, or already ending
			}
			m.log.Debug("link ended in favor of another", "address", address, "adapter", a.name)
			m.tasks.Go(func() { _ = links[i].shutLink() })
			return links[i]
		}
	}
	return nil
}
