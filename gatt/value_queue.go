package gatt

import (
	"sync"
	"time"

	"github.com/moor-ble/moor/internal/ring"
)

// Value is one notification or indication.
type Value struct {
	// Data is the value. It belongs to the receiver.
	Data []byte
	// Dropped is how many notifications were lost right before this one because
	// the receiver was slow.
	Dropped uint64
	// Indication says that the peer has been told of the arrival.
	Indication bool
	// Time is when the value arrived.
	Time time.Time
}

// valueQueue holds the values of one subscription until they are pulled. The loop
// pushes, never waiting; any goroutine pops.
//
// It holds at most limit values. When it is full, a notification takes the place
// of the oldest value, or, if that is an indication, is dropped itself:
// indications are never lost. There is always room for one indication more,
// which is all that can come: the peer sends the next one after the
// confirmation, and that is withheld until the queue is no longer over its limit.
type valueQueue struct {
	ready chan struct{} // holds one token while there is something to see
	limit int

	mu       sync.Mutex
	values   ring.Ring[Value] // guarded by mu, as all below
	lost     uint64           // before the oldest
	lostLast uint64           // behind the newest
	over     bool             // a confirmation is withheld
	err      error            // what comes after the last value
}

func newValueQueue(limit int) *valueQueue {
	return &valueQueue{ready: make(chan struct{}, 1), limit: limit}
}

// pushValue adds a value and reports whether an indication may be confirmed.
func (q *valueQueue) pushValue(v Value) (confirm bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.wake()
	if q.err != nil {
		return true
	}
	if !v.Indication && q.values.Len() >= q.limit {
		if q.values.At(0).Indication {
			q.lostLast++
			return true
		}
		q.lost += q.values.Pop().Dropped + 1
	}
	v.Dropped, q.lostLast = q.lostLast, 0
	q.values.Push(v)
	q.over = q.over || q.values.Len() > q.limit
	return !q.over
}

// popValue takes the oldest value. ok is false if there is none; then err is what the
// queue was closed with, if it was. resume reports that a withheld confirmation
// may now be given.
func (q *valueQueue) popValue() (v Value, ok, resume bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.values.Len() == 0 {
		if q.err != nil {
			q.wake() // for others that wait
		}
		return Value{}, false, false, q.err
	}
	v = q.values.Pop()
	v.Dropped += q.lost
	q.lost = 0
	if q.over && q.values.Len() <= q.limit {
		q.over, resume = false, true
	}
	if q.values.Len() > 0 || q.err != nil {
		q.wake()
	}
	return v, true, resume, nil
}

// closeQueue ends the queue with err. What is in it can still be popped unless discard
// is set. Only the first call counts, but discarding always does.
func (q *valueQueue) closeQueue(err error, discard bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	if discard {
		q.values, q.err = ring.Ring[Value]{}, err
	}
	q.wake()
}

func (q *valueQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
