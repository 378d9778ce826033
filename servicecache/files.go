package servicecache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Folders of a cache's directory.
const (
	folderPeers  = "peers"
	folderTables = "tables"
	folderHashes = "hashes"
	folderBad    = "bad"
)

// files is a store in a directory.
type files struct {
	dir     string
	timeout time.Duration
	gate    chan struct{} // holds a token while this process has the lock
}

func newFiles(dir string, timeout time.Duration) (*files, error) {
	for _, folder := range []string{folderPeers, folderTables, folderHashes, folderBad} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, fmt.Errorf("servicecache: %w", err)
		}
	}
	return &files{dir: dir, timeout: timeout, gate: make(chan struct{}, 1)}, nil
}

func (s *files) path(folder, name string) string { return filepath.Join(s.dir, folder, name) }

func (s *files) readRecord(folder, name string) ([]byte, error) {
	f, err := os.Open(s.path(folder, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRecord+1024))
}

// noteUse sets the time of a file. An hour is fine enough for the order in which
// peers are dropped, and saves writes.
func (s *files) noteUse(folder, name string, now time.Time) {
	path := s.path(folder, name)
	if fi, err := os.Stat(path); err == nil && now.Sub(fi.ModTime()) > time.Hour {
		_ = os.Chtimes(path, time.Time{}, now) // costs at most the order
	}
}

// lock waits until no other writer, of this or another process, has the lock.
func (s *files) lock() (func(), error) {
	limit := time.NewTimer(s.timeout)
	defer limit.Stop()
	for {
		unlock, ok, err := s.tryOnce()
		switch {
		case err != nil:
			return nil, fmt.Errorf("servicecache: lock %s: %w", s.dir, err)
		case ok:
			return unlock, nil
		}
		select {
		case <-limit.C:
			return nil, fmt.Errorf("servicecache: another process has held the lock of %s for more than %v: end that process, or use another directory", s.dir, s.timeout)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (s *files) tryLock() (func(), bool) {
	unlock, ok, err := s.tryOnce()
	return unlock, ok && err == nil
}

func (s *files) tryOnce() (unlock func(), ok bool, err error) {
	select {
	case s.gate <- struct{}{}:
	default:
		return nil, false, nil
	}
	f, err := os.OpenFile(s.path("", "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		ok, err = lockFile(f)
		if !ok || err != nil {
			f.Close()
		}
	}
	if !ok || err != nil {
		<-s.gate
		return nil, false, err
	}
	return func() {
		f.Close() // which releases the lock
		<-s.gate
	}, true, nil
}

// writeRecord replaces a file by a new one after that has been synced to the disk.
func (s *files) writeRecord(folder, name string, b []byte) error {
	dir := s.path(folder, "")
	f, err := renameio.NewPendingFile(s.path(folder, name), renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return fmt.Errorf("servicecache: %w", err)
	}
	defer f.Cleanup() //nolint:errcheck // a temporary file that stays is removed by sweep
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("servicecache: %w", err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("servicecache: %w", err)
	}
	return syncDir(dir)
}

// syncDir syncs the names in a directory to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("servicecache: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("servicecache: %w", err)
	}
	return nil
}

func (s *files) removeRecord(folder, name string) error {
	if err := os.Remove(s.path(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("servicecache: %w", err)
	}
	return nil
}

func (s *files) setAside(folder, name string, keep int) error {
	if err := os.Rename(s.path(folder, name), s.path(folderBad, folder+"-"+name+".bad")); err != nil {
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
	entries, err := os.ReadDir(s.path(folder, ""))
	if err != nil {
		return nil, fmt.Errorf("servicecache: %w", err)
	}
	var list []info
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			list = append(list, info{name: e.Name(), size: fi.Size(), used: fi.ModTime()})
		}
	}
	return list, nil
}

func (s *files) sweep() error {
	for _, folder := range []string{folderPeers, folderTables, folderHashes} {
		entries, err := os.ReadDir(s.path(folder, ""))
		if err != nil {
			return fmt.Errorf("servicecache: %w", err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				if err := s.removeRecord(folder, e.Name()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
