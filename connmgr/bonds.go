package connmgr

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// bondsName is the name of the directory of bonds in a state directory.
const bondsName = "bonds"

// hasBond reports whether the adapter has a bond with t. The adapter may be down.
func (a *Adapter) hasBond(t target) bool {
	a.mu.Lock()
	s := a.bonds
	a.mu.Unlock()
	if s == nil {
		return false
	}
	for _, k := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
		if t.known && t.addr.Identity().Kind != k {
			continue
		}
		if _, ok := s.Find(hci.Addr{MAC: t.addr.MAC, Kind: k}); ok {
			return true
		}
	}
	return false
}

// bondStores are the bonds of all adapters, on disk or in memory. In memory they last
// as long as the Manager, even if an adapter is opened anew.
type bondStores struct {
	disk smp.OpenStore // nil keeps bonds in memory

	mu     sync.Mutex
	memory map[smp.Local]smp.Store // guarded by mu
}

func newBondStores(stateDir string) *bondStores {
	b := &bondStores{memory: map[smp.Local]smp.Store{}}
	if stateDir != "" {
		b.disk = smp.Shared(func(l smp.Local) (smp.Store, error) {
			if err := checkStateDir(stateDir, bondsName); err != nil {
				return nil, &StateError{Dir: stateDir, Err: err}
			}
			s, err := smp.OpenFileStore(BondDir(stateDir), l)
			if err != nil {
				return nil, bondError(stateDir, err)
			}
			return s, nil
		})
	}
	return b
}

// BondDir returns the directory, within a state directory, for the bonds: the argument
// of smp.OpenFileStore.
func BondDir(stateDir string) string { return filepath.Join(stateDir, bondsName) }

// OpenBonds opens the bonds in a state directory, one store for each adapter that was
// used with it. It is for programs that inspect bonds without a Manager.
func OpenBonds(stateDir string) ([]*smp.FileStore, error) {
	all, err := smp.FileStores(BondDir(stateDir))
	if err != nil {
		return nil, bondError(stateDir, err)
	}
	return all, nil
}

// bondError returns a *StateError for bonds that cannot be read, with the remedy.
func bondError(stateDir string, err error) error {
	e := &StateError{Dir: stateDir, Err: err}
	file := "the file"
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		file = of.Path
	}
	switch {
	case errors.Is(err, smp.ErrIdentityDamaged):
		e.Remedy = "put " + file + " back from a backup, or remove it: devices that know this host by private addresses then have to pair again"
	case errors.Is(err, smp.ErrInUse):
		e.Remedy = "end the other process, or use another state directory"
	case errors.Is(err, smp.ErrOtherController):
		e.Remedy = "use another state directory, or remove " + file + " if it is the same adapter: devices that know this host by private addresses then have to pair again"
	}
	return e
}

func (b *bondStores) openStore(l smp.Local) (smp.Store, error) {
	if b.disk != nil {
		return b.disk(l)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.memory[l]; s != nil {
		return s, nil
	}
	s, err := smp.Memory()(l)
	if err == nil {
		b.memory[l] = s
	}
	return s, err
}

// identityOf returns the identity address behind a private address, if a bond of h
// resolves it, or else the address itself.
func identityOf(h *host.Host, a hci.Addr) hci.Addr {
	if s := h.SMP(); s != nil && a.IsResolvable() {
		if id, ok := s.Resolve(a); ok {
			return id.Identity()
		}
	}
	return a.Identity()
}

// identifyTarget returns the identity behind a private address, if a bond of an adapter
// that is up resolves it, or else t.
func (m *Manager) identifyTarget(t target) target {
	a := t.addr
	if !t.known {
		a.Kind = hci.AddrRandom // as private addresses are
	}
	for _, adapter := range m.Adapters() {
		if h := adapter.up(); h != nil {
			if id := identityOf(h, a); id != a.Identity() {
				return target{id, true}
			}
		}
	}
	return t
}

// isBonded reports whether an adapter that is up has a bond with the device.
func (m *Manager) isBonded(t target) bool {
	for _, adapter := range m.Adapters() {
		s := adapter.Bonds()
		if s == nil {
			continue
		}
		for _, kind := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
			if _, ok := s.Find(hci.Addr{MAC: t.addr.MAC, Kind: kind}); ok && (!t.known || t.addr.Identity().Kind == kind) {
				return true
			}
		}
	}
	return false
}

// Bonds returns the Security Manager of the adapter, which holds its bonds; nil while
// the adapter is not up.
func (a *Adapter) Bonds() *smp.Manager {
	if h := a.up(); h != nil {
		return h.SMP()
	}
	return nil
}
