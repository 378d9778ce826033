package smp

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Manager is the Security Manager of one controller: the local identity, its
// bonds, and what is remembered from link to link. Its methods may be called
// from any goroutine unless they say otherwise.
type Manager struct {
	cfg      Config
	store    watched
	unsaved  index // new bonds, until they are in store: peers have the keys already
	log      *slog.Logger
	attempts attempts      // of the loop
	writing  chan struct{} // one slot: who has it may change bonds
}

// NewManager opens the bonds of a controller.
func NewManager(l Local, cfg *Config) (*Manager, error) {
	m := &Manager{writing: make(chan struct{}, 1)}
	if cfg != nil {
		m.cfg = *cfg
	}
	if err := m.cfg.validate(); err != nil {
		return nil, err
	}
	if m.cfg.Identity != (hci.Addr{}) {
		l.Addr = m.cfg.Identity
	}
	if m.cfg.Binding != "" {
		l.Binding = m.cfg.Binding
	}
	if l.Addr = l.Addr.Identity(); l.Addr.Kind > hci.AddrRandom || l.Addr.Kind == hci.AddrRandom && !l.Addr.IsStatic() {
		return nil, fmt.Errorf("smp: %v cannot be an identity address: set Config.Identity to a public or static random one", l.Addr)
	}
	if m.log = m.cfg.Logger; m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	s, err := m.cfg.store()(l)
	if err != nil {
		return nil, err
	}
	m.store = watched{s, m}
	return m, nil
}

// Store returns the bonds. Its Save and Remove wait for changes that the Manager
// is making, and are what Config.Changed is told of.
func (m *Manager) Store() Store { return m.store }

// Identity returns who this host is towards bonded peers.
func (m *Manager) Identity() Identity { return m.store.Identity() }

// bonds are those of a Store, or others.
type bonds interface {
	Find(peer hci.Addr) (*Bond, bool)
	All() []*Bond
}

// Find returns the bond with the device behind an address, which may be a
// private one. A bond counts while it is being saved.
func (m *Manager) Find(a hci.Addr) (*Bond, bool) {
	for _, s := range [...]bonds{&m.unsaved, m.store} {
		if b, ok := s.Find(a.Identity()); ok {
			return b, true
		}
		if !a.IsResolvable() {
			continue
		}
		for _, b := range s.All() {
			if !b.IRK.IsZero() && Resolves(b.IRK, a) {
				return b, true
			}
		}
	}
	return nil, false
}

// Resolve returns the identity address of the bonded device behind a private
// address. It costs one AES block for each bond.
func (m *Manager) Resolve(a hci.Addr) (hci.Addr, bool) {
	if b, ok := m.Find(a); ok {
		return b.Peer, true
	}
	return hci.Addr{}, false
}

// NewAddress makes a resolvable private address of this host, by which bonded
// peers know it and nobody else does.
func (m *Manager) NewAddress() hci.Addr { return NewPrivateAddress(m.Identity().IRK) }

// Resolves reports whether a is a private address made with irk (Vol 6, Part B,
// 1.3.2.3).
func Resolves(irk Key, a hci.Addr) bool {
	if !a.IsResolvable() {
		return false
	}
	var prand, hash [3]byte
	copy(hash[:], a.MAC[:])
	copy(prand[:], reversed(a.MAC[:]))
	h := ah(irk, [3]byte(reversed(prand[:])))
	return subtle.ConstantTimeCompare(h[:], hash[:]) == 1
}

// NewPrivateAddress makes a resolvable private address (Vol 6, Part B,
// 1.3.2.2).
func NewPrivateAddress(irk Key) hci.Addr {
	for {
		r := random16()
		var prand [3]byte
		copy(prand[:], r[:])
		a := privateAddress(irk, prand)
		// Of the random part, the bits below the two topmost must not be all 0 or 1.
		if low := uint32(a.MAC[5]&0x3F)<<16 | uint32(a.MAC[4])<<8 | uint32(a.MAC[3]); low != 0 && low != 0x3FFFFF {
			return a
		}
	}
}

func privateAddress(irk Key, prand [3]byte) hci.Addr {
	const top, resolvable = 0xC0, 0x40
	prand[2] = prand[2]&^top | resolvable
	h := ah(irk, prand)
	a := hci.Addr{Kind: hci.AddrRandom}
	copy(a.MAC[:], append(h[:], prand[:]...))
	return a
}

// Backing off after failures (Vol 3, Part H, 2.3.6).
const (
	firstWait    = time.Second
	longestWait  = 2 * time.Minute
	forgetAfter  = 10 * time.Minute
	maxAttempted = 64
)

// attempts are the peers that have failed to pair. At most 64 are remembered;
// when more come, the one that may try again soonest is forgotten.
type attempts struct {
	failed map[hci.Addr]attempt
}

type attempt struct {
	wait  time.Duration
	until time.Time
}

// blocked reports whether a peer has to wait.
func (a *attempts) blocked(now time.Time, peer hci.Addr) bool {
	return now.Before(a.failed[peer].until)
}

// add counts a failure.
func (a *attempts) add(now time.Time, peer hci.Addr) {
	old, known := a.failed[peer]
	wait := firstWait
	if known && now.Before(old.until.Add(forgetAfter)) {
		wait = min(2*old.wait, longestWait)
	}
	if !known && len(a.failed) >= maxAttempted {
		var soonest hci.Addr
		for p, x := range a.failed {
			if s, ok := a.failed[soonest]; !ok || x.until.Before(s.until) {
				soonest = p
			}
		}
		delete(a.failed, soonest)
	}
	if a.failed == nil {
		a.failed = map[hci.Addr]attempt{}
	}
	a.failed[peer] = attempt{wait, now.Add(wait)}
}

// clear forgets the failures of a peer that has paired.
func (a *attempts) clear(peer hci.Addr) { delete(a.failed, peer) }
