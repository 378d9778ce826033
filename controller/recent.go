package controller

// recent maps keys to values and knows the order in which they were last used. Its
// owner bounds it: it removes the oldest entry. The zero value is empty.
type recent[K comparable, V any] struct {
	entries map[K]*recentEntry[K, V]
	root    recentEntry[K, V] // of a ring: next is the entry used last, prev the oldest
}

type recentEntry[K comparable, V any] struct {
	key        K
	value      V
	prev, next *recentEntry[K, V]
}

// Len returns the number of entries.
func (m *recent[K, V]) Len() int { return len(m.entries) }

// use returns the value of key, which becomes the entry used last. A key without an
// entry gets one with the zero value. The pointer is valid while the entry exists.
func (m *recent[K, V]) use(key K) *V {
	if m.entries == nil {
		m.entries = map[K]*recentEntry[K, V]{}
		m.root.prev, m.root.next = &m.root, &m.root
	}
	e := m.entries[key]
	if e == nil {
		e = &recentEntry[K, V]{key: key}
		m.entries[key] = e
	} else {
		e.unlink()
	}
	e.prev, e.next = &m.root, m.root.next
	e.prev.next, e.next.prev = e, e
	return &e.value
}

// has reports whether key has an entry.
func (m *recent[K, V]) has(key K) bool { return m.entries[key] != nil }

// remove removes the entry of key, if it has one.
func (m *recent[K, V]) remove(key K) {
	if e := m.entries[key]; e != nil {
		e.unlink()
		delete(m.entries, key)
	}
}

// removeOldest removes the entry used longest ago and returns its value. There must
// be one.
func (m *recent[K, V]) removeOldest() V {
	e := m.root.prev
	e.unlink()
	delete(m.entries, e.key)
	return e.value
}

func (e *recentEntry[K, V]) unlink() { e.prev.next, e.next.prev = e.next, e.prev }
