package sim

import (
	"context"
	"sync"

	"github.com/moor-ble/moor/internal/ring"
)

// inbox is a queue from the air to waiting goroutines.
type inbox[T any] struct {
	mu    sync.Mutex // leaf; guards items and err
	items ring.Ring[T]
	err   error
	ready chan struct{} // one slot
}

func (b *inbox[T]) init() { b.ready = make(chan struct{}, 1) }

func (b *inbox[T]) put(v T) {
	b.mu.Lock()
	b.items.Push(v)
	b.mu.Unlock()
	b.signal()
}

// closeInbox makes takeNext fail once the inbox is empty.
func (b *inbox[T]) closeInbox(err error) {
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	b.signal()
}

func (b *inbox[T]) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *inbox[T]) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.items.Len()
}

func (b *inbox[T]) takeNext(ctx context.Context) (v T, err error) {
	for {
		b.mu.Lock()
		n := b.items.Len()
		if n > 0 {
			v = b.items.Pop()
		}
		err = b.err
		b.mu.Unlock()
		switch {
		case n > 0:
			if n > 1 || err != nil {
				b.signal()
			}
			return v, nil
		case err != nil:
			b.signal() // for the other waiters
			return v, err
		}
		select {
		case <-b.ready:
		case <-ctx.Done():
			return v, context.Cause(ctx)
		}
	}
}
