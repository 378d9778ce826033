package slots

import (
	"runtime/debug"
	"sync"

	"github.com/moor-ble/moor/internal/ring"
)

// Subscribe calls f with each change from now on, one after the other and in
// order, on a goroutine of its own. f may take its time and may call the Manager.
// If more than Config.EventQueue events wait for it, the oldest are dropped, and
// Event.Dropped of the next one counts them. A panic of f is logged, and the next
// event follows.
//
// cancel ends the subscription; calling it again does nothing. It does not wait
// for a running call of f.
func (m *Manager) Subscribe(f func(Event)) (cancel func()) {
	s := &subscriber{f: f, limit: m.cfg.eventQueue(), ready: make(chan struct{}, 1), done: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return func() {}
	}
	m.subscribers[s] = struct{}{}
	go m.deliverEvents(s)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subscribers, s)
		s.stop()
	}
}

// publish queues a change for all subscribers. It does not wait.
func (m *Manager) publish(a *adapter, c Change, address string) {
	u := a.usage()
	for s := range m.subscribers {
		s.addEvent(Event{Change: c, Adapter: a.name, Address: address, Slots: u.Slots, Used: u.Used, Free: u.Free})
	}
}

// subscriber is a subscription with its queue.
type subscriber struct {
	f     func(Event)
	limit int
	ready chan struct{} // one token while an event may wait
	done  chan struct{}

	mu      sync.Mutex
	queue   ring.Ring[Event] // guarded by mu, as all below; at most limit
	dropped uint64           // before the first in queue
	stopped bool
}

func (s *subscriber) addEvent(e Event) {
	s.mu.Lock()
	if s.queue.Len() == s.limit {
		s.queue.Pop()
		s.dropped++
	}
	s.queue.Push(e)
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *subscriber) nextEvent() (e Event, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.queue.Len() == 0 {
		return Event{}, false
	}
	e = s.queue.Pop()
	e.Dropped, s.dropped = s.dropped, 0
	return e, true
}

func (s *subscriber) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.done)
	}
}

// deliverEvents is the goroutine of a subscriber; stop ends it.
func (m *Manager) deliverEvents(s *subscriber) {
	for {
		select {
		case <-s.ready:
		case <-s.done:
			return
		}
		for e, ok := s.nextEvent(); ok; e, ok = s.nextEvent() {
			m.callSubscriber(s.f, e)
		}
	}
}

func (m *Manager) callSubscriber(f func(Event), e Event) {
	defer func() {
		if p := recover(); p != nil {
			m.cfg.logger().Error("subscriber panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f(e)
}
