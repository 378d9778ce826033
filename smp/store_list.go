package smp

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/moor-ble/moor/internal/ownfile"
)

// FileStores opens all FileStores under dir without their controllers, to list, back up
// or remove bonds. It takes no lock: another process may use the bonds meanwhile. Changes
// take the lock and return ErrInUse if another FileStore has it. FileStores returns the
// stores in the order of their directories; none if dir does not exist.
func FileStores(dir string) ([]*FileStore, error) {
	parent, err := ownfile.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("smp: bonds: %w", err)
	}
	defer parent.Close()
	entries, err := parent.Entries()
	if err != nil {
		return nil, fmt.Errorf("smp: bonds: %w", err)
	}
	var all []*FileStore
	for _, e := range entries {
		if e.Mode().IsRegular() {
			continue
		}
		s, err := openUnlocked(parent, e.Name())
		if err != nil {
			return nil, fmt.Errorf("smp: bonds: %w", err)
		}
		if s != nil {
			all = append(all, s)
		}
	}
	return all, nil
}

// openUnlocked opens the FileStore in a directory; nil if it has no identity.
func openUnlocked(parent *ownfile.Dir, name string) (*FileStore, error) {
	dir, err := parent.Sub(name)
	if err != nil {
		return nil, err
	}
	s := &FileStore{dir: dir}
	f, err := readIdentity(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, dir.Close()
	}
	if err == nil {
		err = s.loadFiles(Local{Addr: f.Addr, Binding: f.Binding})
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return s, nil
}

// DamagedIdentities returns an error, which wraps ErrIdentityDamaged and names the file,
// for each local identity under dir that cannot be parsed. Directories that cannot be read
// count as none.
func DamagedIdentities(dir string) (damaged []error) {
	parent, err := ownfile.Open(dir)
	if err != nil {
		return nil
	}
	defer parent.Close()
	entries, _ := parent.Entries()
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub, err := parent.Sub(e.Name())
		if err != nil {
			continue
		}
		if _, err := readIdentity(sub); errors.Is(err, ErrIdentityDamaged) {
			damaged = append(damaged, fmt.Errorf("smp: bonds: %w", err))
		}
		sub.Close()
	}
	return damaged
}
