package smp

import (
	"io"
	"sync"
)

// Shared returns an OpenStore that opens each identity once, and shares the Store among
// the Managers of this process that ask for it: two controllers may have one address. The
// Store is closed with the last of them. It may be called from any goroutine.
func Shared(open OpenStore) OpenStore {
	s := &sharedStores{open: open, stores: map[Local]*sharedStore{}}
	return s.openShared
}

type sharedStores struct {
	open OpenStore

	mu     sync.Mutex // guards stores and users; held while a Store is opened or closed
	stores map[Local]*sharedStore
}

// sharedStore is a Store that is open.
type sharedStore struct {
	Store
	users int
}

func (s *sharedStores) openShared(l Local) (Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := s.stores[l]
	if shared == nil {
		opened, err := s.open(l)
		if err != nil {
			return nil, err
		}
		shared = &sharedStore{Store: opened}
		s.stores[l] = shared
	}
	shared.users++
	return &storeUse{Store: shared.Store, release: sync.OnceValue(func() error { return s.releaseStore(l) })}, nil
}

func (s *sharedStores) releaseStore(l Local) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := s.stores[l]
	if shared.users--; shared.users > 0 {
		return nil
	}
	delete(s.stores, l)
	if c, ok := shared.Store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// storeUse is the use of a sharedStore by one Manager.
type storeUse struct {
	Store
	release func() error
}

// Close ends the use.
func (u *storeUse) Close() error { return u.release() }
