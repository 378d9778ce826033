package connmgr

import (
	"errors"
	"slices"
	"sync"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/servicecache"
)

// maxUnwritten bounds the changes that wait for the disk, of tables and of traits each.
// The oldest are dropped.
const maxUnwritten = 1024

// tableStore is the cache of attribute tables as links use it. A table counts as soon as
// it is put or deleted; the disk follows.
type tableStore struct {
	cache  *servicecache.Cache
	writer *stateWriter
	write  *stateWrite

	mu        sync.Mutex
	unwritten []tableChange // guarded by mu; at most one of each peer
}

// tableChange is a change that is not on disk yet.
type tableChange struct {
	peer  hci.Addr
	entry *servicecache.Entry // nil: deleted
}

func newTableStore(c *servicecache.Cache, w *stateWriter) *tableStore {
	s := &tableStore{cache: c, writer: w}
	s.write = &stateWrite{failure: "attribute tables not cached", run: s.writeTables}
	return s
}

// getTable returns the entry of a peer, whose fields the caller may change.
func (s *tableStore) getTable(peer hci.Addr) (e *servicecache.Entry, ok bool) {
	s.mu.Lock()
	i := s.findLocked(peer)
	if i < 0 {
		s.mu.Unlock()
		return s.cache.Get(peer)
	}
	defer s.mu.Unlock()
	if s.unwritten[i].entry == nil {
		return nil, false
	}
	found := *s.unwritten[i].entry
	return &found, true
}

// hasTable reports whether there is an entry of a peer.
func (s *tableStore) hasTable(peer hci.Addr) bool {
	_, ok := s.getTable(peer)
	return ok
}

// findLocked returns the index of the change of a peer, or -1. s.mu must be held.
func (s *tableStore) findLocked(peer hci.Addr) int {
	return slices.IndexFunc(s.unwritten, func(c tableChange) bool { return c.peer == peer })
}

// putTable stores the entry of a peer, which must not be changed after that; nil deletes
// it. A peer with a private address has none: another device may have the address later.
func (s *tableStore) putTable(peer hci.Addr, e *servicecache.Entry) {
	if peer.IsResolvable() || peer.IsNonResolvable() {
		return
	}
	s.mu.Lock()
	if i := s.findLocked(peer); i >= 0 {
		s.unwritten = slices.Delete(s.unwritten, i, i+1)
	}
	s.unwritten = append(s.unwritten, tableChange{peer, e})
	s.unwritten = s.unwritten[max(0, len(s.unwritten)-maxUnwritten):]
	s.mu.Unlock()
	s.writer.requestWrite(s.write)
}

// writeTables makes the changes on disk. While another process holds the lock, they go
// on waiting; a change that fails for another reason is dropped.
func (s *tableStore) writeTables() error {
	var failed error
	for {
		s.mu.Lock()
		if len(s.unwritten) == 0 {
			s.mu.Unlock()
			return failed
		}
		c := s.unwritten[0]
		s.mu.Unlock()
		err := s.writeTable(c)
		if errors.Is(err, ownfile.ErrLocked) {
			return err
		}
		failed = errors.Join(failed, err)
		s.mu.Lock()
		s.unwritten = slices.DeleteFunc(s.unwritten, func(o tableChange) bool { return o == c })
		s.mu.Unlock()
	}
}

func (s *tableStore) writeTable(c tableChange) error {
	if c.entry != nil {
		return s.cache.Put(c.peer, c.entry)
	}
	_, err := s.cache.Delete(c.peer)
	return err
}
