package smp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"slices"
	"strings"
	"sync"

	"github.com/moor-ble/moor/hci"
)

// index holds bonds in memory, as every Store does. It is read for every advertising
// report: what reading needs is computed once after a change.
type index struct {
	mu    sync.Mutex // a leaf; guards all below
	bonds map[hci.Addr]*Bond
	// order is all readable bonds by address, resolvers those with a key among them.
	// Both are nil after a change. The elements of order never change.
	order     []*Bond
	resolvers []resolver
	hash      [aes.BlockSize]byte // where resolve computes
}

// resolver is a bond with the cipher of its identity resolving key.
type resolver struct {
	bond  *Bond
	block cipher.Block
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
	x.sortBonds()
	return slices.Clone(x.order)
}

// sortBonds computes order and resolvers. Must be called with mu locked.
func (x *index) sortBonds() {
	if x.order != nil {
		return
	}
	x.order, x.resolvers = make([]*Bond, 0, len(x.bonds)), x.resolvers[:0]
	for _, b := range x.bonds {
		if b.Damaged == nil {
			x.order = append(x.order, b)
		}
	}
	slices.SortFunc(x.order, func(a, b *Bond) int { return strings.Compare(a.Peer.String(), b.Peer.String()) })
	for _, b := range x.order {
		if !b.IRK.IsZero() {
			x.resolvers = append(x.resolvers, resolver{b, newCipher(b.IRK)})
		}
	}
}

// resolve returns the first bond in the order of All whose key resolves a, as Resolves
// does.
func (x *index) resolve(a hci.Addr) (*Bond, bool) {
	if !a.IsResolvable() {
		return nil, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sortBonds()
	// Vol 3, Part H, 2.2.2. AES takes the most significant octet first, an address has it
	// last.
	want := [3]byte{a.MAC[2], a.MAC[1], a.MAC[0]}
	for i := range x.resolvers {
		x.hash = [aes.BlockSize]byte{13: a.MAC[5], 14: a.MAC[4], 15: a.MAC[3]}
		x.resolvers[i].block.Encrypt(x.hash[:], x.hash[:])
		if subtle.ConstantTimeCompare(x.hash[13:], want[:]) == 1 {
			return x.resolvers[i].bond, true
		}
	}
	return nil, false
}

func (x *index) putBond(b *Bond) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bonds == nil {
		x.bonds = map[hci.Addr]*Bond{}
	}
	x.bonds[b.Peer] = b
	x.order = nil
}

func (x *index) removeBond(peer hci.Addr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.bonds, peer)
	x.order = nil
}

// removeSameBond removes b, unless there is another in its place.
func (x *index) removeSameBond(b *Bond) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bonds[b.Peer] == b {
		delete(x.bonds, b.Peer)
		x.order = nil
	}
}

// resolveIn returns the bond of a Store that has the private address a. A Store of this
// package does so without allocation, another one through All: so does one that embeds a
// Store of this package, since it may have an All of its own.
func resolveIn(s Store, a hci.Addr) (*Bond, bool) {
	switch own := s.(type) {
	case *FileStore:
		return own.resolve(a)
	case *memoryStore:
		return own.resolve(a)
	case *storeUse:
		return resolveIn(own.Store, a)
	}
	if !a.IsResolvable() {
		return nil, false
	}
	for _, b := range s.All() {
		if !b.IRK.IsZero() && Resolves(b.IRK, a) {
			return b, true
		}
	}
	return nil, false
}
