package smp

import (
	"slices"
	"strings"
	"sync"

	"github.com/moor-ble/moor/hci"
)

// Store keeps the bonds of one local identity. Identity, Find and All are
// called on loops: they must not wait for anything but a short lock. Save and
// Remove may, and may be called from any other goroutine. Bonds that are handed
// in and out are not modified by either side.
type Store interface {
	// Identity returns who this host is towards bonded peers.
	Identity() Identity
	// Find returns the bond with a peer, by its identity address; one that cannot
	// be read has Bond.Damaged set.
	Find(peer hci.Addr) (*Bond, bool)
	// All returns all bonds that can be read, in the order of their addresses.
	All() []*Bond
	// Save keeps a bond in place of an older one with the same peer. When it
	// returns without error the bond will be there after a loss of power.
	Save(b *Bond) error
	// Remove removes a bond; that there is none is no error.
	Remove(peer hci.Addr) error
}

// Local is the controller that a Store is for. The address alone is not enough
// to know it by: an adapter can be made to have any, so as to be given the keys
// of another.
type Local struct {
	Addr hci.Addr
	// Binding is what else is known of the adapter: its maker, where it is plugged
	// in. It must be the same each time.
	Binding string
}

// OpenStore makes the Store of a local identity.
type OpenStore func(l Local) (Store, error)

// index is bonds in memory, which every Store has.
type index struct {
	mu    sync.Mutex // a leaf; guards bonds
	bonds map[hci.Addr]*Bond
}

func (x *index) Find(peer hci.Addr) (*Bond, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b, ok := x.bonds[peer.Identity()]
	return b, ok
}

func (x *index) All() []*Bond {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make([]*Bond, 0, len(x.bonds))
	for _, b := range x.bonds {
		if b.Damaged == nil {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b *Bond) int { return strings.Compare(a.Peer.String(), b.Peer.String()) })
	return all
}

func (x *index) putBond(b *Bond) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bonds == nil {
		x.bonds = map[hci.Addr]*Bond{}
	}
	x.bonds[b.Peer] = b
}

func (x *index) removeBond(peer hci.Addr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.bonds, peer)
}

// removeSameBond removes b, unless there is another in its place.
func (x *index) removeSameBond(b *Bond) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bonds[b.Peer] == b {
		delete(x.bonds, b.Peer)
	}
}

// Memory returns an OpenStore for bonds that end with the program.
func Memory() OpenStore {
	return func(l Local) (Store, error) {
		return &memoryStore{identity: Identity{Addr: l.Addr.Identity(), IRK: random16()}}, nil
	}
}

type memoryStore struct {
	index
	identity Identity
}

func (s *memoryStore) Identity() Identity { return s.identity }

func (s *memoryStore) Save(b *Bond) error {
	s.putBond(b)
	return nil
}

func (s *memoryStore) Remove(peer hci.Addr) error {
	s.removeBond(peer.Identity())
	return nil
}
