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
	// Dropped is the number of notifications that were lost before this value
	// because the receiver was slow.
	Dropped uint64
	// Indication reports that the value was indicated, and its arrival confirmed
	// to the peer.
	Indication bool
	// MayBeCut reports that the value has as many octets as a PDU of the peer
	// holds. The peer sends only the beginning of a longer value, and Char.Read
	// reads the whole.
	MayBeCut bool
	// Time is the time of arrival.
	Time time.Time
}

// valueQueue holds the values of one subscription until they are received. The
// loop adds values and never waits; any goroutine removes them.
//
// It holds at most limit values. When it is full, a notification replaces the
// oldest value or, if that is an indication, is dropped itself: indications are
// never lost. There is always room for one more indication, and no further one
// can arrive: the peer sends the next one after the confirmation, which is
// withheld until the queue is within its limit.
type valueQueue struct {
	ready chan struct{} // holds one token while popValue has something to return
	limit int

	mu       sync.Mutex
	values   ring.Ring[Value] // guarded by mu, as all below
	lost     uint64           // values lost before the oldest
	lostLast uint64           // values lost behind the newest
	over     bool             // a confirmation is withheld
	err      error            // returned after the last value
}

func newValueQueue(limit int) *valueQueue {
	return &valueQueue{ready: make(chan struct{}, 1), limit: limit}
}

// pushValue adds a value and reports whether an indication may be confirmed now.
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

// popValue removes the oldest value. If there is none, ok is false and err is
// the error of closeQueue, if it was called. resume reports that a withheld
// confirmation may be sent.
func (q *valueQueue) popValue() (v Value, ok, resume bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.values.Len() == 0 {
		if q.err != nil {
			q.wake() // for other goroutines
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

// closeQueue ends the queue with err. Queued values can still be removed unless
// discard is set. Only the first call has an effect, except that discard always
// has.
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

// reason returns the error of closeQueue; nil before it was called.
func (q *valueQueue) reason() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

func (q *valueQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
