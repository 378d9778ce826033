package gatt

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

// outbox holds the values of Server.Notify that one client has not been sent yet. It is
// the att.Feed of the session's bearer. Any goroutine adds values; the loop removes them.
//
// It holds a bounded number of values of each characteristic. Of a full queue, the oldest
// value gives way to a new one.
type outbox struct {
	s       *Session
	dropped atomic.Uint64

	mu     sync.Mutex
	values []waitingValue // guarded by mu; beyond its length are buffers for reuse
	posted bool           // guarded by mu: the loop is going to drain the outbox
}

// waitingValue is a value for a client.
type waitingValue struct {
	h    att.Handle
	data []byte
}

// isFull reports whether limit values with handle h wait.
func (o *outbox) isFull(h att.Handle, limit int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count(h) >= limit
}

// holdsValues reports whether any values wait.
func (o *outbox) holdsValues() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.values) > 0
}

// count returns the number of waiting values with handle h.
func (o *outbox) count(h att.Handle) (n int) {
	for i := range o.values {
		if o.values[i].h == h {
			n++
		}
	}
	return n
}

// addValue queues a copy of a value. It reports whether the caller has to post the outbox
// to the loop.
func (o *outbox) addValue(h att.Handle, value []byte, limit int) (post bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count(h) >= limit {
		o.removeAt(slices.IndexFunc(o.values, func(v waitingValue) bool { return v.h == h }))
		o.dropped.Add(1)
	}
	n := len(o.values)
	if n == cap(o.values) {
		o.values = slices.Grow(o.values, 1)
	}
	o.values = o.values[:n+1]
	o.values[n] = waitingValue{h, append(o.values[n].data[:0], value...)}
	post, o.posted = !o.posted, true
	return post
}

// removeAt removes a value and keeps its buffer.
func (o *outbox) removeAt(i int) {
	buf := o.values[i].data
	last := len(o.values) - 1
	copy(o.values[i:], o.values[i+1:])
	o.values[last] = waitingValue{data: buf}
	o.values = o.values[:last]
}

// Run begins to drain the outbox. It runs on the loop.
func (o *outbox) Run(now time.Time) {
	if !o.s.down {
		o.s.b.DrainFeed(now)
	}
}

// Waiting implements att.Feed.
func (o *outbox) Waiting() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.posted = len(o.values) > 0
	return o.posted
}

// AppendNext implements att.Feed.
func (o *outbox) AppendNext(b []byte) []byte {
	o.mu.Lock()
	if len(o.values) == 0 {
		o.mu.Unlock()
		return b
	}
	v := o.values[0]
	h := v.h
	pdu := att.HandleValueNotification{Handle: h, Value: v.data[:min(len(v.data), o.s.b.MTU()-3)]}.AppendPDU(b)
	o.removeAt(0)
	o.mu.Unlock()
	o.s.srv.room.wakeWaiter()
	if o.s.conditionOf(h).Check() != nil {
		return b
	}
	return pdu
}

// clearValues drops all values of a link that has ended.
func (o *outbox) clearValues() {
	o.mu.Lock()
	o.values = nil
	o.mu.Unlock()
	o.s.srv.room.wakeWaiter()
}

// roomSignal wakes the callers of Server.Notify that wait for room.
type roomSignal struct {
	waiters atomic.Int32
	ready   chan struct{} // one slot
}

// wakeWaiter wakes one caller, who wakes the next one.
func (r *roomSignal) wakeWaiter() {
	if r.waiters.Load() == 0 {
		return
	}
	select {
	case r.ready <- struct{}{}:
	default:
	}
}
