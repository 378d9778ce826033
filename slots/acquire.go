package slots

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNoAdapter says that none of the adapters asked for is registered.
var ErrNoAdapter = errors.New("slots: no such adapter")

// ErrClosed says that the Manager was closed.
var ErrClosed = errors.New("slots: closed")

// Request says what Acquire is to wait for.
type Request struct {
	// Adapters are those that will do, the best first.
	Adapters []string
	Address  string
	// Priority is who goes first: the highest, and among equals who came first.
	// The slot keeps it, see Idlest.
	Priority int
}

// Acquire takes a slot for an address on the first of the adapters that has one
// free, waits until there is one otherwise, and returns which adapter it is. An
// address that has a slot on any of them already gets that. A slot that comes
// free goes to whoever is first in the queue and may use it; nobody overtakes.
//
// The error is ErrNoAdapter if none of the adapters is, or remains, registered,
// ErrClosed, or wraps the cause of ctx's end. Then nothing was taken.
func (m *Manager) Acquire(ctx context.Context, r *Request) (adapter string, err error) {
	w := &waiter{request: *r, answer: make(chan answer, 1)}
	w.request.Adapters = slices.Clone(r.Adapters)
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return "", ErrClosed
	}
	m.waiters.add(w)
	m.settle(time.Now())
	m.mu.Unlock()

	select {
	case got := <-w.answer:
		return got.adapter, got.err
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.waiters.remove(w) { // the answer came meanwhile
		got := <-w.answer
		return got.adapter, got.err
	}
	m.settle(time.Now())
	return "", fmt.Errorf("slots: waiting for a connection of %s: %w", strings.Join(w.request.Adapters, ", "), context.Cause(ctx))
}

// waiter is a call of Acquire. Its answer has room for the one value it gets.
type waiter struct {
	request Request
	answer  chan answer
}

type answer struct {
	adapter string
	err     error
}

// waiters is the queue, the first to be served at its head.
type waiters struct{ list []*waiter }

func (q *waiters) empty() bool { return len(q.list) == 0 }

func (q *waiters) add(w *waiter) {
	i := len(q.list)
	for i > 0 && q.list[i-1].request.Priority < w.request.Priority {
		i--
	}
	q.list = slices.Insert(q.list, i, w)
}

func (q *waiters) remove(w *waiter) bool {
	i := slices.Index(q.list, w)
	if i < 0 {
		return false
	}
	q.list = slices.Delete(q.list, i, i+1)
	return true
}

func (q *waiters) takeAll() []*waiter {
	list := q.list
	q.list = nil
	return list
}

// grant answers those who need not wait, first in the queue first.
func (m *Manager) grant(now time.Time) {
	m.waiters.list = slices.DeleteFunc(m.waiters.list, func(w *waiter) bool {
		got, done := m.serve(now, &w.request)
		if done {
			w.answer <- got
		}
		return done
	})
}

func (m *Manager) serve(now time.Time, r *Request) (got answer, done bool) {
	var room *adapter
	known := false
	for _, name := range r.Adapters {
		a := m.adapters[name]
		if a == nil {
			continue
		}
		known = true
		if h := a.find(r.Address); h != nil {
			h.priority = max(h.priority, r.Priority)
			return answer{adapter: name}, true
		}
		if room == nil && a.room() {
			room = a
		}
	}
	switch {
	case !known:
		return answer{err: ErrNoAdapter}, true
	case room == nil:
		return answer{}, false
	}
	m.allocate(now, room, &hold{address: r.Address, priority: r.Priority})
	return answer{adapter: room.name}, true
}
