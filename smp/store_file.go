package smp

import (
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/google/renameio/v2/maybe"

	"github.com/moor-ble/moor/hci"
)

// ErrOtherAdapter means that the bonds belong to another adapter with the same address,
// or to the same adapter whose Binding has changed. In the latter case, remove the file
// that the error names. This host then has a new identity, and the bonds are worthless.
var ErrOtherAdapter = errors.New("the bonds belong to another adapter with this address")

// ErrIdentityDamaged means that the file of this host's identity cannot be parsed.
// Restore it from a backup, or remove it. In the latter case this host has a new
// identity, and peers that recognize it by private addresses have to pair again.
var ErrIdentityDamaged = errors.New("the identity of this host is damaged")

// FileStore is a Store in a directory:
//
//	dir/C0FFEE000001-public/          0700, one for each local identity
//	    identity.json                 0600, the local identity and its IRK
//	    AABBCCDDEEFF-random.json      0600, one for each peer
//
// A file is written under another name, synced and renamed. The bonds are read once,
// when the store is opened: two programs must not use the same identity at a time.
// Windows has no such modes.
type FileStore struct {
	index
	dir      string
	identity Identity
	damaged  []error

	writing sync.Mutex // one writer at a time; never held on a loop
}

const (
	identityFile = "identity.json"
	fileSuffix   = ".json"
)

// Files returns an OpenStore for bonds in a directory, which it makes if it does not
// exist.
func Files(dir string) OpenStore {
	return func(l Local) (Store, error) { return OpenFileStore(dir, l) }
}

// OpenFileStore opens or makes the directory of a local identity under dir. It leaves
// the file of a bond that cannot be read as it is; see FileStore.Damaged.
func OpenFileStore(dir string, l Local) (*FileStore, error) {
	l.Addr = l.Addr.Identity()
	s := &FileStore{dir: filepath.Join(dir, baseName(l.Addr))}
	if err := s.loadFiles(l); err != nil {
		return nil, fmt.Errorf("smp: bonds: %w", err)
	}
	return s, nil
}

func (s *FileStore) loadFiles(l Local) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := restrictMode(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.loadIdentity(l); err != nil {
		return err
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) != fileSuffix || f.Name() == identityFile {
			continue
		}
		path := filepath.Join(s.dir, f.Name())
		b, err := s.loadBond(path)
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

// restrictMode removes the permissions of a file beyond mode.
func restrictMode(path string, mode fs.FileMode) error {
	if runtime.GOOS == "windows" {
		return nil // file modes mean nothing there
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm()&^mode == 0 {
		return err
	}
	return os.Chmod(path, mode)
}

// baseName returns the file name for an address. It has no colons and does not rely on
// case, for the sake of file systems that permit neither.
func baseName(a hci.Addr) string {
	return strings.ReplaceAll(a.MAC.String(), ":", "") + "-" + a.Kind.String()
}

func (s *FileStore) loadIdentity(l Local) error {
	path := filepath.Join(s.dir, identityFile)
	f, err := readIdentity(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		irk := Key(random16())
		s.identity = Identity{Addr: l.Addr, IRK: irk}
		record := identityRecord{Version: recordVersion, Addr: l.Addr, Binding: l.Binding, IRK: secret(irk)}
		return s.writeRecord(path, &record)
	case err != nil:
		return err
	case f.Addr != l.Addr || subtle.ConstantTimeCompare([]byte(f.Binding), []byte(l.Binding)) != 1:
		return fmt.Errorf("%w: %s is for %v %q, this is %v %q",
			ErrOtherAdapter, path, f.Addr, f.Binding, l.Addr, l.Binding)
	}
	s.identity = Identity{Addr: l.Addr, IRK: Key(f.IRK)}
	return nil
}

// readIdentity reads the file of a local identity.
func readIdentity(path string) (f identityRecord, err error) {
	err = readRecord(path, &f)
	if _, system := errors.AsType[*fs.PathError](err); err != nil && !system {
		err = fmt.Errorf("%s: %w: %w", path, ErrIdentityDamaged, err)
	}
	return f, err
}

func (s *FileStore) loadBond(path string) (*Bond, error) {
	var f bondRecord
	if err := readRecord(path, &f); err != nil {
		return nil, err
	}
	b, err := f.toBond(s.identity)
	if err == nil && filepath.Base(path) != baseName(b.Peer)+fileSuffix {
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
func (s *FileStore) Dir() string { return s.dir }

// Damaged returns an error for each file that could not be read when the store was
// opened. Find returns a bond without keys for its peer, so that the peer still counts
// as bonded. Remove removes the file, and Save replaces it.
func (s *FileStore) Damaged() []error { return s.damaged }

// Save writes a bond. It must not be called on the loop.
func (s *FileStore) Save(b *Bond) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.writeRecord(s.bondPath(b.Peer), newBondRecord(b, s.identity)); err != nil {
		return fmt.Errorf("smp: save the bond with %v: %w", b.Peer, err)
	}
	s.putBond(b)
	return nil
}

// Remove removes a bond. It must not be called on the loop.
func (s *FileStore) Remove(peer hci.Addr) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	peer = peer.Identity()
	err := os.Remove(s.bondPath(peer))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		s.removeBond(peer)
		err = s.syncDir()
	}
	if err != nil {
		return fmt.Errorf("smp: remove the bond with %v: %w", peer, err)
	}
	return nil
}

func (s *FileStore) bondPath(peer hci.Addr) string {
	return filepath.Join(s.dir, baseName(peer)+fileSuffix)
}

func (s *FileStore) writeRecord(path string, record any) error {
	b, err := json.MarshalIndent(record, "", "\t")
	if err != nil {
		return err
	}
	if err := maybe.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return s.syncDir()
}

// syncDir makes renames and removals durable: they are changes of the directory.
func (s *FileStore) syncDir() error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced, and need not be
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readRecord reads a file, after it has removed the permissions of other users.
func readRecord(path string, record any) error {
	if err := restrictMode(path, 0o600); err != nil {
		return err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return decodeRecord(b, record)
}
