package connmgr

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/slots"
)

// account keeps the connection slots in step with the links. One lock covers reading
// a controller's list of links and entering or removing links: an outdated list
// would give a slot to a link that has ended.
type account struct {
	mu      sync.Mutex
	foreign map[*controller.Link]struct{} // not the Manager's; guarded by mu

	holders map[hci.MAC]hci.Addr // the devices that hold slots; owned by slotChanged
}

func newAccount() account {
	return account{foreign: map[*controller.Link]struct{}{}, holders: map[hci.MAC]hci.Addr{}}
}

// linkUp enters a new link of the Manager.
func (m *Manager) linkUp(l *link) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	delete(m.account.foreign, l.conn.Link())
	m.slots.Connected(l.adapter.name, l.peer.MAC.String(), uint16(l.conn.Link().Handle()))
	m.links.addLink(l)
}

// linkDown removes a link that has ended. The slot is released first, since a dial may
// begin as soon as the link is in no list.
func (m *Manager) linkDown(l *link) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	m.slots.Disconnected(l.adapter.name, l.peer.MAC.String(), uint16(l.conn.Link().Handle()))
	m.links.removeLink(l)
}

// reconcileSlots corrects the slots of an adapter by the list of links of its
// controller, so that the loss of an event costs a slot only until the next attempt.
func (m *Manager) reconcileSlots(a *Adapter) {
	h := a.up()
	if h == nil {
		return
	}
	address := map[*controller.Link]string{}
	for _, l := range h.Controller().Links() { // not under the lock: this may read bonds
		address[l] = identityOf(h, l.Peer()).MAC.String()
	}
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	own := map[*controller.Link]bool{}
	for _, l := range m.links.listLinks() {
		own[l.conn.Link()] = true
		address[l.conn.Link()] = l.peer.MAC.String() // even if the identity has become known since
	}
	var live []slots.Link
	for _, l := range h.Controller().Links() {
		if address[l] == "" {
			continue // new: its owner counts it
		}
		if !own[l] {
			m.countForeignLocked(a, l, address[l])
		}
		live = append(live, slots.Link{Address: address[l], Handle: uint16(l.Handle())})
	}
	m.slots.Reconcile(a.name, live)
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
		}
	})
}

// slotChanged emits the events of the slots. It runs on the one goroutine of its
// subscription.
func (m *Manager) slotChanged(ev slots.Event) {
	// A program may use Slots with names that are no addresses.
	if mac, err := hci.ParseMAC(ev.Address); err == nil {
		addr, ok := m.account.holders[mac]
		if !ok {
			addr = m.addrOf(mac)
		}
		m.account.holders[mac] = addr // the link may be in no list any more when its slot is released
		if ev.Change == slots.Released {
			delete(m.account.holders, mac)
		}
		m.bus.emitEvent(SlotsChanged{time.Now(), ev.Adapter, addr, ev.Change == slots.Allocated, ev.Used, ev.Free})
	}
	if ev.Change == slots.Released {
		m.wake.signal(news{slotOf: ev.Address})
	}
}

// allocateSlot takes a connection slot on the first of the ranked adapters that has one.
// Unless the policy forbids waking, it waits for a slot, up to the attempt timeout.
func (m *Manager) allocateSlot(ctx context.Context, ranked []*Adapter, address string, priority int, evict bool, p Policy) (*Adapter, error) {
	r := &slots.Request{Address: address, Priority: priority}
	for _, a := range ranked {
		m.reconcileSlots(a)
		r.Adapters = append(r.Adapters, a.name)
	}
	if evict {
		m.evictLink(ranked, priority)
	}
	var name string
	if p.NoWake {
		for _, a := range r.Adapters {
			if m.slots.TryAllocate(a, address) {
				name = a
				break
			}
		}
	} else {
		wait, cancel := context.WithTimeout(ctx, p.AttemptTimeout)
		defer cancel()
		got, err := m.slots.Acquire(wait, r)
		switch {
		case err == nil:
			name = got
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, slots.ErrNoAdapter): // they have gone meanwhile
			return nil, m.noAdapter(ranked[0].name)
		}
	}
	for _, a := range ranked {
		if a.name == name {
			return a, nil
		}
	}
	return nil, errNoSlot
}

// errNoSlot is the error of an attempt for which there was no connection slot.
var errNoSlot = &errclass.RemoteError{Text: "no connection slot is free on any adapter in reach"}

// evictLink ends the link of lower priority that has been idle for the longest time,
// if none of the ranked adapters has a free slot.
func (m *Manager) evictLink(ranked []*Adapter, priority int) {
	for _, a := range ranked {
		if m.slots.Room(a.name) {
			return
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
			return
		}
	}
}
