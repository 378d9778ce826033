package connmgr

import (
	"sync"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// link is one connection of the Manager, shared by all Clients of its peer.
type link struct {
	m       *Manager
	adapter *Adapter
	conn    *host.Conn
	peer    hci.Addr // its identity, as far as known when the link was made
	name    string
	gone    chan struct{} // closed when the link has ended and is in no list any more
	pairs   chan struct{} // one slot: who has it pairs

	mu      sync.Mutex
	users   map[*Client]bool // guarded by mu, as all below; true: a program has it
	closing bool             // it ends: nobody joins any more
	over    bool             // it has ended, and the programs are being told
	stays   chan struct{}    // closed, and replaced, when the controller refuses to end it
	profile *gatt.Profile
	cached  bool // profile is from the cache, and not yet proved by discovery
	paired  *smp.Result
}

// links are the connections in use, and the dials under way, by peer.
type links struct {
	mu      sync.Mutex
	all     map[*link]struct{}       // guarded by mu, as all below
	dialing map[target]chan struct{} // closed when the dial has ended
}

func newLinks() *links {
	return &links{all: map[*link]struct{}{}, dialing: map[target]chan struct{}{}}
}

// findLink returns the link to t; nil if there is none.
func (ls *links) findLink(t target) *link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.findLinkLocked(t)
}

func (ls *links) findLinkLocked(t target) *link {
	for l := range ls.all {
		if l.leadsTo(t) {
			return l
		}
	}
	return nil
}

// addrOf returns the address, with its kind, of the link or dial to a device;
// public if there is none.
func (ls *links) addrOf(mac hci.MAC) hci.Addr {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for l := range ls.all {
		if l.peer.MAC == mac {
			return l.peer
		}
	}
	for t := range ls.dialing {
		if t.addr.MAC == mac {
			return t.addr.Identity()
		}
	}
	return hci.Addr{MAC: mac}
}

// claimDevice returns the link to t, or reserves the dial for the caller, who must
// call unclaim. If another dial to t is under way, it returns a channel that
// is closed when that has ended: a link is shared only once it is secure and its
// table known.
func (ls *links) claimDevice(t target) (l *link, busy <-chan struct{}) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for o, ch := range ls.dialing {
		if o.addr.MAC == t.addr.MAC {
			return nil, ch
		}
	}
	if l := ls.findLinkLocked(t); l != nil {
		return l, nil
	}
	ls.dialing[t] = make(chan struct{})
	return nil, nil
}

func (ls *links) unclaimDevice(t target) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	close(ls.dialing[t])
	delete(ls.dialing, t)
}

func (ls *links) addLink(l *link) {
	ls.mu.Lock()
	ls.all[l] = struct{}{}
	ls.mu.Unlock()
}

func (ls *links) removeLink(l *link) {
	ls.mu.Lock()
	delete(ls.all, l)
	ls.mu.Unlock()
}

func (ls *links) listLinks() []*link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	all := make([]*link, 0, len(ls.all))
	for l := range ls.all {
		all = append(all, l)
	}
	return all
}

// leadsTo reports whether the link is one to t, by the address that it was made to or
// by the identity that the peer has shown since.
func (l *link) leadsTo(t target) bool {
	if t.matches(l.peer) {
		return true
	}
	sm := l.conn.SMP()
	return sm != nil && t.matches(sm.Peer())
}

// joinLink adds a user; false if the link ends.
func (l *link) joinLink(c *Client) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || l.conn.Err() != nil {
		return false
	}
	l.users[c] = false
	return true
}

// handOver notes that a program gets the user c, and is to be told of the end
// of the link, and announces it; false if it comes too late for that.
func (l *link) handOver(c *Client, ev Connected) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.users[c] = true
	ev.Cached = l.cached
	l.m.bus.emitEvent(ev)
	return true
}

// watchRefusal returns a channel that is closed when the controller refuses to end
// the link.
func (l *link) watchRefusal() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stays
}

// adoptLink enters a new link, whose end it watches.
func (m *Manager) adoptLink(a *Adapter, h *host.Host, conn *host.Conn, name string) *link {
	l := &link{
		m: m, adapter: a, conn: conn, peer: identityOf(h, conn.Peer()), name: name,
		gone: make(chan struct{}), pairs: make(chan struct{}, 1), users: map[*Client]bool{}, stays: make(chan struct{}),
	}
	m.linkUp(l)
	m.tasks.Go(func() {
		<-conn.Done()
		m.linkDown(l)
		users := l.takeUsers() // nobody gets a Client from here on
		m.bus.emitEvent(Disconnected{time.Now(), l.peer, a.name, conn.Err()})
		close(l.gone)
		for _, c := range users {
			if f := c.opts.Disconnected; f != nil {
				m.callbacks.Go(func() { f(c, conn.Err()) })
			}
		}
	})
	return l
}

// leaveLink removes a user and reports whether it was the last one, who then has to
// shut the link.
func (l *link) leaveLink(c *Client) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.users[c]; !ok {
		return false
	}
	delete(l.users, c)
	if len(l.users) > 0 {
		return false
	}
	l.closing = true
	return true
}

// markEvicted marks the link as about to be ended in favor of another; false if it
// ends anyway.
func (l *link) markEvicted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.closing = true
	return true
}

// shutLink ends the link and waits until it is gone, with its slot. If the
// controller refuses to end it, it stays for whoever wants it next.
func (l *link) shutLink() error {
	if err := l.conn.Close(); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closing = l.over
		close(l.stays)
		l.stays = make(chan struct{})
		return err
	}
	<-l.gone
	return nil
}

// takeUsers takes the users of a link that is down and returns those that programs
// have.
func (l *link) takeUsers() []*Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing, l.over = true, true
	var cs []*Client
	for c, handed := range l.users {
		if handed {
			cs = append(cs, c)
		}
	}
	clear(l.users)
	return cs
}
