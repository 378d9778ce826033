package smp

import "github.com/moor-ble/moor/hci"

// Store holds the bonds of one local identity. Its methods must be safe for concurrent
// use. Identity, Find and All are called on the loop too: they must not wait, except for
// a short lock. Save and Remove may wait, and are not called on the loop. Neither the
// Store nor its callers modify a Bond that they have passed or received.
type Store interface {
	// Identity returns this host's identity.
	Identity() Identity
	// Find returns the bond with a peer, by its identity address. If the bond cannot be
	// read, Bond.Damaged is set.
	Find(peer hci.Addr) (*Bond, bool)
	// All returns all bonds that can be read, ordered by address.
	All() []*Bond
	// Save stores a bond in place of an older one with the same peer. Once Save has
	// returned nil, the bond survives a loss of power.
	Save(b *Bond) error
	// Remove removes the bond with a peer. It returns nil if there is none.
	Remove(peer hci.Addr) error
}

// Local identifies the controller that a Store belongs to. An address is not enough: a
// controller can be given any address, and would then get the keys of another one.
type Local struct {
	Addr hci.Addr
	// Binding is a constant property of the controller besides its address, such as
	// its manufacturer or the port that it is plugged into.
	Binding string
}

// OpenStore opens the Store of a local identity. Manager.Close closes a Store that
// implements io.Closer; see [Shared] for one that several Managers use.
type OpenStore func(l Local) (Store, error)

// Memory returns an OpenStore for bonds that are lost at the end of the program, and
// with them the local identity.
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
