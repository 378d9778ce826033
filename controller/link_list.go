package controller

import (
	"cmp"
	"slices"
	"sync"
)

// linkList holds the links that are up, for loops over all of them and for other
// goroutines. The loop alone changes it. A change costs the same whether there are ten
// links or some thousands; only a copy sorts them.
type linkList struct {
	mu    sync.Mutex
	links []*Link // in any order, each at its Link.index; guarded by mu
}

func (s *linkList) addLink(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.index = len(s.links)
	s.links = append(s.links, l)
}

// removeLink removes l, which the list holds.
func (s *linkList) removeLink(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.links) - 1
	moved := s.links[last]
	s.links[l.index], moved.index = moved, l.index
	s.links[last] = nil
	s.links = s.links[:last]
}

// sortLinks returns the links in the order of their handles, so that loops over all of them
// are deterministic. Any goroutine may call it.
func (s *linkList) sortLinks() []*Link {
	s.mu.Lock()
	ls := slices.Clone(s.links)
	s.mu.Unlock()
	slices.SortFunc(ls, func(a, b *Link) int { return cmp.Compare(a.handle, b.handle) })
	return ls
}
