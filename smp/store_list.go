package smp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileStores opens all FileStores under dir without their controllers, to list, back up
// or remove bonds while no other program uses them. It returns them in the order of
// their directories; none if dir does not exist.
func FileStores(dir string) ([]*FileStore, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("smp: bonds: %w", err)
	}
	var all []*FileStore
	for _, e := range entries {
		if e.Type().IsRegular() {
			continue
		}
		s := &FileStore{dir: filepath.Join(dir, e.Name())}
		f, err := readIdentity(filepath.Join(s.dir, identityFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = s.loadFiles(Local{Addr: f.Addr, Binding: f.Binding})
		}
		if err != nil {
			return nil, fmt.Errorf("smp: bonds: %w", err)
		}
		all = append(all, s)
	}
	return all, nil
}
