package connmgr

import (
	"sync"

	"github.com/moor-ble/moor/hci"
)

// links is the set of connections in use, and of claims on devices.
type links struct {
	mu      sync.Mutex
	all     map[*link]struct{} // guarded by mu, as all below
	dialing map[hci.MAC]*claim // at most one to a device
}

func newLinks() *links {
	return &links{all: map[*link]struct{}{}, dialing: map[hci.MAC]*claim{}}
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
