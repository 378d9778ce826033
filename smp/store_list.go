package smp

import (
	"fmt"
	"path/filepath"
)

// FileStores opens what FileStores there are under dir, without the controllers
// that they belong to: to list bonds, back them up, or remove them, while no
// other program uses them. It returns them in the order of their directories.
func FileStores(dir string) ([]*FileStore, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*", identityFile))
	if err != nil {
		return nil, fmt.Errorf("smp: bonds: %w", err)
	}
	var all []*FileStore
	for _, path := range paths {
		var f identityRecord
		if err := readRecord(path, &f); err != nil {
			return nil, fmt.Errorf("smp: bonds: %s: %w", path, err)
		}
		s := &FileStore{dir: filepath.Dir(path)}
		if err := s.open(Local{Addr: f.Addr, Binding: f.Binding}); err != nil {
			return nil, fmt.Errorf("smp: bonds: %w", err)
		}
		all = append(all, s)
	}
	return all, nil
}
