package connmgr

import (
	"context"
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
	peer    hci.Addr // its identity address, if known when the link was made
	name    string
	gone    chan struct{} // closed when the link has ended and is in no list any more
	pairs   chan struct{} // holds one token while a user of the link pairs
	guarded chan struct{} // closed when the guard of the table has made its requests
	settled chan struct{} // closed when the link has settled, or has ended before

	mu      sync.Mutex
	users   map[*Client]bool // true: handed to the program; guarded by mu, as all below
	closing bool             // the link is ending: no Client may join
	over    bool             // the link has ended, and callbacks are under way
	stays   chan struct{}    // closed and replaced when the controller refuses to end the link
	profile *gatt.Profile
	cached  bool // profile is from the cache, not from discovery
	paired  *smp.Result
	// trial is the step after Establish that the device has to prove it can take, and
	// lengthAsked reports that longer packets have been asked for.
	trial       Step
	lengthAsked bool
	// paramsSet reports that the program has set the connection parameters.
	paramsSet bool
}

// links is the set of connections in use, and of dials under way.
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

// findLinkLocked is findLink. ls.mu must be held.
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
// call unclaimDevice. If another dial to t is under way, it returns a channel that is
// closed at the end of that dial: a link is shared only once it is secure and its
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

// leadsTo reports whether the peer of the link is t, by the address of the connect or
// by the identity that the peer has distributed since.
func (l *link) leadsTo(t target) bool {
	if t.matches(l.peer) {
		return true
	}
	sm := l.conn.SMP()
	return sm != nil && t.matches(sm.Peer())
}

// joinLink adds a Client; false if the link is ending.
func (l *link) joinLink(c *Client) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || l.conn.Err() != nil {
		return false
	}
	l.users[c] = false
	return true
}

// handOver marks the Client c as the program's, whose callback is called at the end of
// the link, and emits ev. It reports false if the link has ended already.
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

// watchRefusal returns a channel that is closed when the controller refuses to end the
// link.
func (l *link) watchRefusal() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stays
}

// adoptLink enters a new link and watches for its end.
func (m *Manager) adoptLink(a *Adapter, h *host.Host, conn *host.Conn, name string) *link {
	l := &link{
		m: m, adapter: a, conn: conn, peer: identityOf(h, conn.Peer()), name: name,
		gone: make(chan struct{}), pairs: make(chan struct{}, 1), users: map[*Client]bool{}, stays: make(chan struct{}),
		guarded: make(chan struct{}), settled: make(chan struct{}),
	}
	m.linkUp(l)
	m.tasks.Go(func() {
		<-conn.Done()
		a.noteStall(l.peer.MAC, conn.Err())
		l.failTrial(conn.Err()) // the next Establish must know
		m.linkDown(l)
		users := l.takeUsers() // no Client is handed over from here on
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

// leaveLink removes a Client and reports whether it was the last one. The caller then
// has to shut the link.
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

// markEvicted marks the link as ending in favor of another one; false if it is ending
// already.
func (l *link) markEvicted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.closing = true
	return true
}

// shutLink ends the link and waits until the link and its slot are gone. If the
// controller refuses, the link stays, and the next Establish to the device shares it.
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

// abandonLink ends the link and waits until it is gone, but not beyond the end of ctx:
// the Manager finishes the rest. The error is the controller's refusal.
func (l *link) abandonLink(ctx context.Context) error {
	over := make(chan error, 1)
	l.m.tasks.Go(func() { over <- l.shutLink() })
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return nil
	}
}

// isGone reports whether the link has ended.
func (l *link) isGone() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// takeUsers removes all Clients of a link that is down, and returns those that were
// handed to the program.
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
