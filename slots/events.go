package slots

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Change is what happened to a slot.
type Change uint8

// The changes.
const (
	Allocated Change = 1
	Released  Change = 2
)

// String returns "allocated", "released" or the number of another value.
func (c Change) String() string {
	switch c {
	case Allocated:
		return "allocated"
	case Released:
		return "released"
	}
	return fmt.Sprintf("change 0x%02x", uint8(c))
}

// Event is a change of one slot, and what is left after it.
type Event struct {
	Change  Change `json:"change"`
	Adapter string `json:"adapter"`
	Address string `json:"address"`
	Slots   Count  `json:"slots"`
	Used    int    `json:"used"`
	Free    Count  `json:"free"` // Unknown if Slots is
	// Dropped counts the events before this one that the subscriber was too slow
	// for.
	Dropped uint64 `json:"dropped,omitempty"`
}

// Subscribe has f called with each change from now on, one after the other and
// in order, on a goroutine of its own. It may take its time and call the Manager:
// if more than Config.EventQueue events wait for it, the oldest are dropped and
// counted. If it panics, that is logged and the next event follows.
//
// The result ends the subscription; calling it again does nothing. It does not
// wait for a call of f that runs.
func (m *Manager) Subscribe(f func(Event)) (cancel func()) {
	s := &subscriber{f: f, limit: m.cfg.eventQueue(), ready: make(chan struct{}, 1), done: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return func() {}
	}
	m.subscribers[s] = struct{}{}
	go m.deliver(s)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subscribers, s)
		s.stop()
	}
}

// publish tells all subscribers, without waiting for any.
func (m *Manager) publish(a *adapter, c Change, address string) {
	all, free := a.count()
	for s := range m.subscribers {
		s.push(Event{Change: c, Adapter: a.name, Address: address, Slots: all, Used: len(a.holds), Free: free})
	}
}

// subscriber is a queue of events and who takes them.
type subscriber struct {
	f     func(Event)
	limit int
	ready chan struct{} // one token while something may wait
	done  chan struct{}

	mu      sync.Mutex
	queue   []Event // guarded by mu, as all below
	dropped uint64
	stopped bool
}

func (s *subscriber) push(e Event) {
	s.mu.Lock()
	if len(s.queue) == s.limit {
		s.queue = append(s.queue[:0], s.queue[1:]...)
		s.dropped++
	}
	s.queue = append(s.queue, e)
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *subscriber) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.done)
	}
}

func (s *subscriber) pop() (e Event, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.queue) == 0 {
		return Event{}, false
	}
	e = s.queue[0]
	s.queue = append(s.queue[:0], s.queue[1:]...)
	e.Dropped, s.dropped = s.dropped, 0
	return e, true
}

// deliver is the goroutine of a subscriber; stop ends it.
func (m *Manager) deliver(s *subscriber) {
	for {
		select {
		case <-s.ready:
		case <-s.done:
			return
		}
		for e, ok := s.pop(); ok; e, ok = s.pop() {
			m.call(s.f, e)
		}
	}
}

func (m *Manager) call(f func(Event), e Event) {
	defer func() {
		if p := recover(); p != nil {
			m.cfg.logger().Error("subscriber panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f(e)
}
