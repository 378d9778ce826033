package connmgr

import (
	"sync"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/slots"
)

// account keeps the connection slots in step with the links. The controllers'
// lists of links are read, and links come and go, under one lock: a list that is
// older than the last change would give a slot to a link that has ended.
type account struct {
	mu      sync.Mutex
	foreign map[*controller.Link]struct{} // guarded by mu: counted, but not the Manager's
}

// linkUp counts a new link of the Manager.
func (m *Manager) linkUp(l *link) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	delete(m.account.foreign, l.conn.Link())
	m.slots.Connected(l.adapter.name, l.peer.MAC.String(), uint16(l.conn.Link().Handle()))
	m.links.add(l)
}

// linkDown takes a link that has ended out of the accounts. Its slot goes first,
// since a dial may begin as soon as the link is in no list.
func (m *Manager) linkDown(l *link) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	m.slots.Disconnected(l.adapter.name, l.peer.MAC.String(), uint16(l.conn.Link().Handle()))
	m.links.remove(l)
}

// reconcile corrects the slots of an adapter by the links that its controller
// has, so that a lost event costs a slot only until the next attempt.
func (m *Manager) reconcile(a *Adapter) {
	h := a.up()
	if h == nil {
		return
	}
	address := map[*controller.Link]string{}
	for _, l := range h.Controller().Links() {
		address[l] = identify(h, l.Peer()).MAC.String() // which may read bonds
	}
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	own := map[*controller.Link]bool{}
	for _, l := range m.links.list() {
		own[l.conn.Link()] = true
		address[l.conn.Link()] = l.peer.MAC.String() // even if it has another name since
	}
	var live []slots.Link
	for _, l := range h.Controller().Links() {
		if address[l] == "" {
			continue // new, and counted by whom it belongs to
		}
		if !own[l] {
			m.countForeign(a, l, address[l])
		}
		live = append(live, slots.Link{Address: address[l], Handle: uint16(l.Handle())})
	}
	m.slots.Reconcile(a.name, live)
}

// countForeign sees to it that the slot of a link that is not, or not yet, the
// Manager's is free when it ends. Called with account.mu held.
func (m *Manager) countForeign(a *Adapter, l *controller.Link, address string) {
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
