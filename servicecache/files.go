package servicecache

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/ownfile"
)

// Folders of a cache's directory.
const (
	folderPeers  = "peers"
	folderTables = "tables"
	folderBad    = "bad"
)

// files is a store in a directory.
type files struct {
	dir     *ownfile.Dir
	folders map[string]*ownfile.Dir // by name
	timeout time.Duration
	gate    chan struct{} // holds a token while this process has the lock
}

// newFiles opens the store in a directory, which it makes if it does not exist.
func newFiles(path string, timeout time.Duration) (*files, error) {
	dir, err := ownfile.Make(path)
	if err != nil {
		return nil, fmt.Errorf("servicecache: %w", err)
	}
	s := &files{dir: dir, folders: map[string]*ownfile.Dir{}, timeout: timeout, gate: make(chan struct{}, 1)}
	for _, folder := range []string{folderPeers, folderTables, folderBad} {
		if s.folders[folder], err = dir.MakeSub(folder); err != nil {
			return nil, fmt.Errorf("servicecache: %w", err)
		}
	}
	return s, nil
}

func (s *files) readRecord(folder, name string) ([]byte, error) {
	return s.folders[folder].ReadFile(name, maxRecord+1024)
}

// noteUse sets the time of a file. An hour is fine enough for the order in which
// peers are dropped, and saves writes.
func (s *files) noteUse(folder, name string, now time.Time) {
	dir := s.folders[folder]
	if fi, err := dir.Lstat(name); err == nil && now.Sub(fi.ModTime()) > time.Hour {
		_ = dir.SetUsed(name, now) // costs at most the order
	}
}

// lock waits until no other writer, of this or another process, has the lock.
func (s *files) lock() (func(), error) {
	limit := time.NewTimer(s.timeout)
	defer limit.Stop()
	select {
	case s.gate <- struct{}{}:
	case <-limit.C:
		return nil, fmt.Errorf("servicecache: this process has held the lock of %s for more than %v", s.dir.Path(), s.timeout)
	}
	unlock, err := s.dir.Lock(s.timeout)
	if err != nil {
		<-s.gate
		return nil, fmt.Errorf("servicecache: %w", err)
	}
	return func() {
		unlock()
		<-s.gate
	}, nil
}

func (s *files) tryLock() (func(), bool) {
	select {
	case s.gate <- struct{}{}:
	default:
		return nil, false
	}
	unlock, err := s.dir.TryLock()
	if err != nil {
		<-s.gate
		return nil, false
	}
	return func() {
		unlock()
		<-s.gate
	}, true
}

// writeRecord replaces a file by a new one after that has been synced to the disk.
func (s *files) writeRecord(folder, name string, b []byte) error {
	if err := s.folders[folder].WriteFile(name, b); err != nil {
		return fmt.Errorf("servicecache: %w", err)
	}
	return nil
}

func (s *files) removeRecord(folder, name string) error {
	if err := s.folders[folder].Remove(name); err != nil {
		return fmt.Errorf("servicecache: %w", err)
	}
	return nil
}

func (s *files) setAside(folder, name string, keep int) error {
	if err := s.dir.Rename(folder+"/"+name, folderBad+"/"+folder+"-"+name+".bad"); err != nil {
		return s.removeRecord(folder, name)
	}
	list, err := s.listRecords(folderBad)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b info) int { return b.used.Compare(a.used) })
	for _, old := range list[min(keep, len(list)):] {
		if err := s.removeRecord(folderBad, old.name); err != nil {
			return err
		}
	}
	return nil
}

func (s *files) listRecords(folder string) ([]info, error) {
	entries, err := s.folders[folder].Entries()
	if err != nil {
		return nil, fmt.Errorf("servicecache: %w", err)
	}
	var list []info
	for _, e := range entries {
		if e.Mode().IsRegular() {
			list = append(list, info{name: e.Name(), size: e.Size(), used: e.ModTime()})
		}
	}
	return list, nil
}

func (s *files) closeStore() error {
	err := s.dir.Close()
	for _, dir := range s.folders {
		err = errors.Join(err, dir.Close())
	}
	return err
}

func (s *files) sweep() error {
	for _, folder := range []string{folderPeers, folderTables} {
		if err := s.folders[folder].Sweep(); err != nil {
			return fmt.Errorf("servicecache: %w", err)
		}
	}
	return nil
}
