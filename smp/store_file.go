package smp

import (
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownfile"
)

var (
	// ErrOtherController means that the bonds belong to another controller with the
	// same address, or to the same controller whose Binding has changed. In the latter
	// case, remove the file that the error names. This host then has a new identity,
	// and the bonds are worthless.
	ErrOtherController = errors.New("the bonds belong to another controller with this address")
	// ErrIdentityDamaged means that the file of this host's identity cannot be parsed.
	// Restore it from a backup, or remove it. In the latter case this host has a new
	// identity, and peers that recognize it by private addresses have to pair again.
	ErrIdentityDamaged = errors.New("the identity of this host is damaged")
	// ErrInUse means that another FileStore, most likely of another process, holds the
	// bonds of the same local identity. Two of them would lose each other's bonds and
	// use signature counters twice. The error is an *InUseError.
	ErrInUse = errors.New("another process uses these bonds: end it first")
)

// FileStore is a Store in a directory:
//
//	dir/C0FFEE000001-public/          0700, one for each local identity
//	    identity.json                 0600, the local identity and its IRK
//	    AABBCCDDEEFF-random.json      0600, one for each peer
//	    lock                          0600, locked while the FileStore is open
//
// All of them, and dir, must belong to the effective user of the process, and none may be
// a link; a file must not have other names either. A file is written under another name,
// synced and renamed. The bonds are read once, when the store is opened: it is the only
// one for its identity until Close, or until the process ends. Windows has no such modes,
// owners and locks.
type FileStore struct {
	index
	dir      *ownfile.Dir
	identity Identity
	damaged  []error

	writing sync.Mutex // one writer at a time; never held on a loop
	// unlock releases the lock of the directory. nil: each change takes the lock.
	unlock func() // guarded by writing
	closed bool   // guarded by writing
}

const (
	identityFile = "identity.json"
	fileSuffix   = ".json"
	// maxRecordSize is far above the size of any record.
	maxRecordSize = 64 << 10
)

// Files returns an OpenStore for bonds in a directory, which it makes if it does not
// exist.
func Files(dir string) OpenStore {
	return func(l Local) (Store, error) { return OpenFileStore(dir, l) }
}

// OpenFileStore opens or makes the directory of a local identity under dir. It leaves
// the file of a bond that cannot be read as it is; see FileStore.Damaged. The error is
// ErrInUse if another FileStore has it open.
func OpenFileStore(dir string, l Local) (*FileStore, error) {
	l.Addr = l.Addr.Identity()
	s := &FileStore{}
	if err := s.openLocked(dir, l); err != nil {
		return nil, errors.Join(fmt.Errorf("smp: bonds: %w", err), s.Close())
	}
	return s, nil
}

// openLocked opens the directory of a local identity and locks it.
func (s *FileStore) openLocked(dir string, l Local) error {
	parent, err := ownfile.Make(dir)
	if err != nil {
		return err
	}
	defer parent.Close()
	if s.dir, err = parent.MakeSub(baseName(l.Addr)); err != nil {
		return err
	}
	if s.unlock, err = s.takeLock(); err != nil {
		return err
	}
	if err := s.dir.Sweep(); err != nil {
		return err
	}
	return s.loadFiles(l)
}

// takeLock locks the directory.
func (s *FileStore) takeLock() (unlock func(), err error) {
	unlock, err = s.dir.TryLock()
	if locked, ok := errors.AsType[*ownfile.LockedError](err); ok {
		err = &InUseError{Dir: s.dir.Path(), PID: locked.PID, Program: locked.Program}
	}
	return unlock, err
}

// loadFiles reads the identity, which it makes if there is none, and the bonds.
func (s *FileStore) loadFiles(l Local) error {
	if err := s.loadIdentity(l); err != nil {
		return err
	}
	files, err := s.dir.Entries()
	if err != nil {
		return err
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) != fileSuffix || f.Name() == identityFile {
			continue
		}
		path := filepath.Join(s.dir.Path(), f.Name())
		b, err := s.loadBond(f.Name())
		if err != nil {
			s.damaged = append(s.damaged, fmt.Errorf("smp: bond %s: %w", path, err))
			if b = damagedBond(path, err); b == nil {
				continue
			}
		}
		s.putBond(b)
	}
	return nil
}

// baseName returns the file name for an address. It has no colons and does not rely on
// case, for the sake of file systems that permit neither.
func baseName(a hci.Addr) string {
	return strings.ReplaceAll(a.MAC.String(), ":", "") + "-" + a.Kind.String()
}

func (s *FileStore) loadIdentity(l Local) error {
	path := filepath.Join(s.dir.Path(), identityFile)
	f, err := readIdentity(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		irk := Key(random16())
		s.identity = Identity{Addr: l.Addr, IRK: irk}
		record := identityRecord{Version: recordVersion, Addr: l.Addr, Binding: l.Binding, IRK: secret(irk)}
		return s.writeRecord(identityFile, &record)
	case err != nil:
		return err
	case f.Addr != l.Addr || subtle.ConstantTimeCompare([]byte(f.Binding), []byte(l.Binding)) != 1:
		return &fs.PathError{Op: "use", Path: path, Err: fmt.Errorf("%w: it is for %v %q, this is %v %q",
			ErrOtherController, f.Addr, f.Binding, l.Addr, l.Binding)}
	}
	s.identity = Identity{Addr: l.Addr, IRK: Key(f.IRK)}
	return nil
}

// readIdentity reads the local identity in a directory.
func readIdentity(dir *ownfile.Dir) (f identityRecord, err error) {
	err = readRecord(dir, identityFile, &f)
	if _, system := errors.AsType[*fs.PathError](err); err != nil && !system {
		err = &fs.PathError{Op: "read", Path: filepath.Join(dir.Path(), identityFile), Err: fmt.Errorf("%w: %w", ErrIdentityDamaged, err)}
	}
	return f, err
}

func (s *FileStore) loadBond(name string) (*Bond, error) {
	var f bondRecord
	if err := readRecord(s.dir, name, &f); err != nil {
		return nil, err
	}
	b, err := f.toBond(s.identity)
	if err == nil && name != bondFile(b.Peer) {
		err = fmt.Errorf("the file has the bond of %v", b.Peer)
	}
	return b, err
}

// damagedBond returns a bond that stands for a file that cannot be read, with the peer
// in the file's name; nil if the name is not one of baseName.
func damagedBond(path string, cause error) *Bond {
	name := strings.TrimSuffix(filepath.Base(path), fileSuffix)
	digits, kind, _ := strings.Cut(name, "-")
	mac, err := hex.DecodeString(digits)
	if err != nil {
		return nil
	}
	peer, err := hci.ParseAddr(strings.ReplaceAll(fmt.Sprintf("% x", mac), " ", ":") + "/" + kind)
	if err != nil || peer.Kind > hci.AddrRandom || baseName(peer) != name {
		return nil
	}
	return &Bond{Peer: peer, Damaged: fmt.Errorf("%s: %w: %w", path, cause, ErrBondDamaged)}
}

// Identity returns the local identity.
func (s *FileStore) Identity() Identity { return s.identity }

// Dir returns the directory of the local identity.
func (s *FileStore) Dir() string { return s.dir.Path() }

// Damaged returns an error for each file that could not be read when the store was
// opened. Find returns a bond without keys for its peer, so that the peer still counts
// as bonded. Remove removes the file, and Save replaces it.
func (s *FileStore) Damaged() []error { return s.damaged }

// Close ends the use of the directory, which another FileStore may then open. Find, All
// and Identity still return the bonds and the identity of that moment; changes fail. It
// must not be called on the loop.
func (s *FileStore) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed || s.dir == nil {
		return nil
	}
	s.closed = true
	if s.unlock != nil {
		s.unlock()
		s.unlock = nil
	}
	return s.dir.Close()
}

// beginChange takes the lock of the directory, unless the FileStore has it, until end is
// called. Must be called with writing locked.
func (s *FileStore) beginChange() (end func(), err error) {
	switch {
	case s.closed:
		return nil, fmt.Errorf("%s: %w", s.dir.Path(), fs.ErrClosed)
	case s.unlock != nil:
		return func() {}, nil
	}
	return s.takeLock()
}

// Save writes a bond. Its error is a *SaveError. It must not be called on the loop.
func (s *FileStore) Save(b *Bond) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	end, err := s.beginChange()
	if err == nil {
		defer end()
		err = s.writeRecord(bondFile(b.Peer), newBondRecord(b, s.identity))
	}
	if err != nil {
		return &SaveError{b.Peer, err}
	}
	s.putBond(b)
	return nil
}

// Remove removes a bond. It must not be called on the loop.
func (s *FileStore) Remove(peer hci.Addr) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	peer = peer.Identity()
	end, err := s.beginChange()
	if err == nil {
		defer end()
		err = s.dir.Remove(bondFile(peer))
	}
	if err != nil {
		return fmt.Errorf("smp: remove the bond with %v: %w", peer, err)
	}
	s.removeBond(peer)
	return nil
}

// bondFile returns the name of the file of a bond.
func bondFile(peer hci.Addr) string { return baseName(peer) + fileSuffix }

func (s *FileStore) writeRecord(name string, record any) error {
	b, err := json.MarshalIndent(record, "", "\t")
	if err != nil {
		return err
	}
	return s.dir.WriteFile(name, append(b, '\n'))
}

func readRecord(dir *ownfile.Dir, name string, record any) error {
	b, err := dir.ReadFile(name, maxRecordSize)
	if err != nil {
		return err
	}
	return decodeRecord(b, record)
}
