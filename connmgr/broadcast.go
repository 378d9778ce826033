package connmgr

import "sync"

// news is a change of an adapter that a broadcast announces. Without an adapter, it is that
// of any.
type news struct {
	change  change
	adapter *Adapter
}

// change is the kind of news.
type change uint8

const (
	adapterChanged change = iota + 1 // the adapter has changed its state
	adapterUp                        // the new state is AdapterUp
	linkEnded                        // a link on the adapter has ended
	dropped                          // the transport of the adapter has dropped packets
)

// broadcast announces changes to any number of waiters. All that wait for the same news
// share a channel: one more costs nothing, and need not say that it has ceased to wait.
type broadcast struct {
	mu    sync.Mutex
	waits map[news]chan struct{} // guarded by mu
}

func newBroadcast() *broadcast { return &broadcast{waits: map[news]chan struct{}{}} }

// await returns a channel that is closed by the next signal of n.
func (b *broadcast) await(n news) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := b.waits[n]
	if ch == nil {
		ch = make(chan struct{})
		b.waits[n] = ch
	}
	return ch
}

// signal announces a change of one adapter.
func (b *broadcast) signal(n news) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range []news{n, {change: n.change}} {
		if ch := b.waits[n]; ch != nil {
			delete(b.waits, n)
			close(ch)
		}
	}
}
