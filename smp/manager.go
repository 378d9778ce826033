package smp

import (
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/moor-ble/moor/hci"
)

// Manager is the Security Manager of one controller: the local identity, its bonds, and
// the peers that have failed to pair. Any goroutine may call its methods, except for
// NewMachine.
type Manager struct {
	cfg     Config
	store   watchedStore
	unsaved index // new bonds that are not in store yet; the peers have their keys
	log     *slog.Logger
	backoff backoff        // belongs to the loop
	writing chan struct{}  // one slot: its holder may change bonds
	saves   sync.WaitGroup // the bonds of pairings that are being saved

	suspended suspended // the peers whose bonds do not encrypt new links
}

// NewManager opens the bonds of a controller. A nil cfg means the default options.
func NewManager(l Local, cfg *Config) (*Manager, error) {
	m := &Manager{writing: make(chan struct{}, 1)}
	if cfg != nil {
		m.cfg = *cfg
	}
	if err := m.cfg.validateConfig(); err != nil {
		return nil, err
	}
	if m.cfg.Identity != (hci.Addr{}) {
		l.Addr = m.cfg.Identity
	}
	if m.cfg.Binding != "" {
		l.Binding = m.cfg.Binding
	}
	if l.Addr = l.Addr.Identity(); l.Addr.Kind > hci.AddrRandom || l.Addr.Kind == hci.AddrRandom && !l.Addr.IsStatic() {
		return nil, fmt.Errorf(
			"smp: %v cannot be an identity address: set Config.Identity to a public or static random one", l.Addr)
	}
	if m.log = m.cfg.Logger; m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	s, err := m.cfg.store()(l)
	if err != nil {
		return nil, err
	}
	m.store = watchedStore{s, m}
	return m, nil
}

// Close ends the use of the bonds, once those of finished pairings are saved: it closes
// the Store if that implements io.Closer, as a FileStore does. The controller must have
// ended before, and Close must not be called on its loop. It does not wait for calls of
// Config.Changed, and may be called by one.
func (m *Manager) Close() error {
	m.saves.Wait()
	if s, ok := m.store.Store.(io.Closer); ok {
		return s.Close()
	}
	return nil
}

// Store returns the Store of the bonds. Its Save and Remove wait for changes by the
// Manager, and call Config.Changed.
func (m *Manager) Store() Store { return m.store }

// Identity returns this host's identity, by which bonded peers know it.
func (m *Manager) Identity() Identity { return m.store.Identity() }

// Find returns the bond with the device that has the address a, which may be a private
// one. It finds a new bond while that is still being saved. A private address costs one
// AES block for each bond; with a Store of this package, Find allocates nothing.
func (m *Manager) Find(a hci.Addr) (*Bond, bool) {
	identity := a.Identity()
	if b, ok := m.unsaved.Find(identity); ok {
		return b, true
	}
	if b, ok := m.unsaved.resolve(a); ok {
		return b, true
	}
	if b, ok := m.store.Find(identity); ok {
		return b, true
	}
	return resolveIn(m.store.Store, a)
}

// checkRoom returns an error if a peer may not add a bond: Config.MaxBonds is reached.
func (m *Manager) checkRoom() error {
	n, limit := len(m.store.All())+len(m.unsaved.All()), m.cfg.maxBonds()
	if m.cfg.DisableBonding || n < limit {
		return nil
	}
	return fmt.Errorf("there are %d bonds, at most %d are permitted: remove bonds, or raise Config.MaxBonds", n, limit)
}

// Resolve returns the identity address of the bonded device that has the address a. Its
// cost is that of Find.
func (m *Manager) Resolve(a hci.Addr) (hci.Addr, bool) {
	if b, ok := m.Find(a); ok {
		return b.Peer, true
	}
	return hci.Addr{}, false
}
