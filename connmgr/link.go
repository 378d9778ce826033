package connmgr

import (
	"context"
	"sync"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/servicecache"
	"github.com/moor-ble/moor/smp"
)

// link is one connection of the Manager, shared by all Clients of its peer.
type link struct {
	m       *Manager
	adapter *Adapter
	proxy   Proxy // of the adapter; nil if it is a local one
	conn    *host.Conn
	peer    hci.Addr // its identity address, if known when the link was made
	name    string
	pairs   chan struct{} // holds one token while a Client of the link pairs

	// The following are closed once. They are no states: guarding and settling go on
	// beside the Clients, until they are done or the link has ended.
	gone    chan struct{} // the link is over, and in no list any more
	guarded chan struct{} // the guard of the table has made its requests
	settled chan struct{} // the link has settled

	mu      sync.Mutex
	users   map[*Client]bool // true: handed to the program; guarded by mu, as all below
	state   linkState
	refused chan struct{} // closed and replaced when the controller refuses to end the link
	profile *gatt.Profile
	tables  chan struct{} // closed and replaced when a table comes into use
	// repairing is held while an outdated table is discovered anew.
	repairing limit
	cached    bool // profile is from the cache, not from discovery
	// entry is the cached entry of the device; nil if there is none. changes counts the
	// changes of the table that the device has indicated, and tableFrom those before profile.
	entry              *servicecache.Entry
	changes, tableFrom int
	indicated          indicated
	// guards reports that Service Changed has been enabled on the link.
	guards bool
	// endDiscovery ends the discovery of the guard when another change comes; nil before the
	// first one.
	endDiscovery context.CancelFunc
	paired       *smp.Result
	// trial is the step after Establish that the device has to prove it can take, and
	// lengthAsked reports that longer packets have been asked for.
	trial       Step
	lengthAsked bool
	// paramsSet reports that the program has set the connection parameters.
	paramsSet bool
}

// linkState is the state of a link.
//
//	event                  open              closing              over
//	a Client joins         add it            wait for open, over  dial anew
//	a Client is handed     add callback      add callback         fail
//	 to the program
//	the last one leaves    shut → closing    shut                 –
//	another link evicts    shut → closing    –                    –
//	controller refuses     –                 signal it → open     –
//	 to end the link
//	the link ends          → over            → over               –
//
// A refused link is not another state: it is open again, and the next Establish shares
// it. Its Clients keep a link that is ended by an eviction until it is over.
type linkState uint8

const (
	linkOpen    linkState = iota // Clients may join
	linkClosing                  // this host ends the link
	linkOver                     // the link has ended, and no callback is added
)

// adoptLink enters a new link and watches for its end.
func (m *Manager) adoptLink(a *Adapter, h *host.Host, conn *host.Conn, name string) *link {
	l := &link{
		m: m, adapter: a, proxy: a.Proxy(), conn: conn, peer: identityOf(h, conn.Peer()), name: name,
		gone: make(chan struct{}), pairs: make(chan struct{}, 1), users: map[*Client]bool{}, refused: make(chan struct{}),
		guarded: make(chan struct{}), settled: make(chan struct{}), tables: make(chan struct{}), repairing: newLimit(1),
	}
	m.linkUp(l)
	m.tasks.Go(func() {
		<-conn.Done()
		a.recordStall(l.peer.MAC, conn.Err())
		l.failTrial(conn.Err()) // the next Establish must know
		m.linkDown(l)
		m.log.Debug("link ended", "address", l.peer, "adapter", a.name, "error", conn.Err())
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
	l.m.addClient(c) // first: the link must not be ended for the sake of a lower priority
	l.mu.Lock()
	open := l.isOpenLocked()
	if open {
		l.users[c] = false
	}
	l.mu.Unlock()
	if !open {
		l.m.dropClient(c)
	}
	return open
}

// isOpen reports whether Clients may join: the link is up, and is not being ended.
func (l *link) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isOpenLocked()
}

// isOpenLocked is isOpen. l.mu must be held.
func (l *link) isOpenLocked() bool { return l.state == linkOpen && l.conn.Err() == nil }

// handOver marks the Client c as the program's, whose callback is called at the end of
// the link, and emits the event. It reports false if the link has ended already.
func (l *link) handOver(c *Client, event func() Connected) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == linkOver {
		return false
	}
	l.users[c] = true
	l.m.bus.emitMade(func() Event {
		ev := event()
		ev.Cached = l.cached
		return ev
	})
	return true
}

// watchRefusal returns a channel that is closed when the controller refuses to end the
// link.
func (l *link) watchRefusal() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// leaveLink removes a Client and reports whether it was the last one. The caller then
// has to shut the link.
func (l *link) leaveLink(c *Client) bool {
	defer l.m.dropClient(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.users[c]; !ok {
		return false
	}
	delete(l.users, c)
	if len(l.users) > 0 {
		return false
	}
	l.state = linkClosing // not over: that has no users
	return true
}

// markEvicted marks the link as ending in favor of another one; false if it is ending
// already.
func (l *link) markEvicted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != linkOpen {
		return false
	}
	l.state = linkClosing
	return true
}

// shutLink ends the link and waits until the link and its slot are gone. If the
// controller refuses, the link stays, and the next Establish to the device shares it.
func (l *link) shutLink() error {
	if err := l.conn.Close(); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == linkClosing {
			l.state = linkOpen
		}
		close(l.refused)
		l.refused = make(chan struct{})
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
	l.state = linkOver
	users := l.users
	l.users = map[*Client]bool{}
	l.mu.Unlock()
	var cs []*Client
	for c, handed := range users {
		l.m.dropClient(c)
		if handed {
			cs = append(cs, c)
		}
	}
	return cs
}
