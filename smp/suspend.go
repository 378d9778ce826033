package smp

import (
	"sync"

	"github.com/moor-ble/moor/hci"
)

// suspended is the set of peers whose bonds do not encrypt new links. The zero value is
// an empty set.
type suspended struct {
	mu    sync.Mutex
	peers map[hci.Addr]int // how often each is suspended; guarded by mu
}

// SuspendBond keeps links that are made from now on to peer, the identity address of a
// bond, from being encrypted with the bond by themselves, until resume is called. It is
// for a peer that ends its links as soon as they are encrypted: on a link that was made
// meanwhile, Pair with PairOptions.Replace puts a new bond in the place of the old one.
// Any goroutine may call both.
func (m *Manager) SuspendBond(peer hci.Addr) (resume func()) {
	s, peer := &m.suspended, peer.Identity()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers == nil {
		s.peers = map[hci.Addr]int{}
	}
	s.peers[peer]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.peers[peer]--; s.peers[peer] == 0 {
			delete(s.peers, peer)
		}
	})
}

func (s *suspended) hasPeer(peer hci.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[peer] > 0
}
