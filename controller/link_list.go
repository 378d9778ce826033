package controller

import (
	"cmp"
	"slices"
	"sync"

	"github.com/moor-ble/moor/hci"
)

// linkList holds the links that are up, for loops over all of them and for other
// goroutines. The loop alone changes it. It is copied far more often than changed: it is
// kept in order, so that a copy reads no link.
type linkList struct {
	mu    sync.Mutex
	links []*Link // in the order of their handles; guarded by mu
}

func (s *linkList) addLink(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearchFunc(s.links, l.handle, func(o *Link, h hci.Handle) int { return cmp.Compare(o.handle, h) })
	s.links = slices.Insert(s.links, i, l)
}

// removeLink removes l, which the list holds.
func (s *linkList) removeLink(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.links, l)
	s.links = slices.Delete(s.links, i, i+1)
}

// listLinks returns the links in the order of their handles, so that loops over all of them
// are deterministic. Any goroutine may call it.
func (s *linkList) listLinks() []*Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.links)
}
