package connmgr

import (
	"sync"

	"github.com/moor-ble/moor/hci"
)

// links is the set of connections in use, and of dials under way.
type links struct {
	mu      sync.Mutex
	all     map[*link]struct{} // guarded by mu, as all below
	dialing map[hci.MAC]dial   // at most one to a device
}

// dial is a link that is being made.
type dial struct {
	target target
	ended  chan struct{} // closed when the link is ready, or has failed
}

func newLinks() *links {
	return &links{all: map[*link]struct{}{}, dialing: map[hci.MAC]dial{}}
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
	if d, ok := ls.dialing[mac]; ok {
		return d.target.addr.Identity()
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
	if d, ok := ls.dialing[t.addr.MAC]; ok {
		return nil, d.ended
	}
	if l := ls.findLinkLocked(t); l != nil {
		return l, nil
	}
	ls.dialing[t.addr.MAC] = dial{t, make(chan struct{})}
	return nil, nil
}

func (ls *links) unclaimDevice(t target) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	close(ls.dialing[t.addr.MAC].ended)
	delete(ls.dialing, t.addr.MAC)
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
