package connmgr

import "sync"

// news is the change that a broadcast announces.
type news struct {
	linkOn    *Adapter // the adapter of a link that has ended
	adapter   bool     // an adapter has changed its state
	adapterUp bool     // the new state is AdapterUp
}

// broadcast announces changes to any number of waiters.
type broadcast struct {
	mu      sync.Mutex
	waiters map[chan struct{}]func(news) bool // guarded by mu
}

func newBroadcast() *broadcast { return &broadcast{waiters: map[chan struct{}]func(news) bool{}} }

// subscribe returns a channel that is closed by the next signal that wants accepts, and
// a function that ends the wait. wants must not block.
func (b *broadcast) subscribe(wants func(news) bool) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	b.mu.Lock()
	b.waiters[ch] = wants
	b.mu.Unlock()
	return ch, func() {
		b.mu.Lock()
		delete(b.waiters, ch)
		b.mu.Unlock()
	}
}

func (b *broadcast) signal(n news) {
	b.mu.Lock()
	for ch, wants := range b.waiters {
		if wants(n) {
			delete(b.waiters, ch)
			close(ch)
		}
	}
	b.mu.Unlock()
}
