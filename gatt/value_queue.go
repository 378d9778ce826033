package gatt

import (
	"sync"
	"time"
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
	buf      []Value // guarded by mu, as all below; a ring
	first, n int
	lost     uint64 // before the oldest
	lostLast uint64 // behind the newest
	over     bool   // a confirmation is withheld
	err      error  // what comes after the last value
}

func newValueQueue(limit int) *valueQueue {
	return &valueQueue{ready: make(chan struct{}, 1), limit: limit}
}

// push adds a value and reports whether an indication may be confirmed.
func (q *valueQueue) push(v Value) (confirm bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.wake()
	if q.err != nil {
		return true
	}
	if !v.Indication && q.n >= q.limit {
		if q.buf[q.first].Indication {
			q.lostLast++
			return true
		}
		old := q.take()
		q.lost += old.Dropped + 1
	}
	v.Dropped, q.lostLast = q.lostLast, 0
	q.put(v)
	q.over = q.over || q.n > q.limit
	return !q.over
}

// pop takes the oldest value. ok is false if there is none; then err is what the
// queue was closed with, if it was. resume reports that a withheld confirmation
// may now be given.
func (q *valueQueue) pop() (v Value, ok, resume bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		if q.err != nil {
			q.wake() // for others that wait
		}
		return Value{}, false, false, q.err
	}
	v = q.take()
	v.Dropped += q.lost
	q.lost = 0
	if q.over && q.n <= q.limit {
		q.over, resume = false, true
	}
	if q.n > 0 || q.err != nil {
		q.wake()
	}
	return v, true, resume, nil
}

// close ends the queue with err. What is in it can still be popped unless discard
// is set. Only the first call counts, but discarding always does.
func (q *valueQueue) close(err error, discard bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	if discard {
		q.buf, q.first, q.n, q.err = nil, 0, 0, err
	}
	q.wake()
}

// take removes the oldest value. The caller holds mu.
func (q *valueQueue) take() (v Value) {
	v, q.buf[q.first] = q.buf[q.first], Value{}
	q.first = (q.first + 1) % len(q.buf)
	q.n--
	return v
}

// put appends a value. The ring grows as it is needed. The caller holds mu.
func (q *valueQueue) put(v Value) {
	if q.n == len(q.buf) {
		buf := make([]Value, min(q.limit+1, max(4, 2*q.n)))
		for i := range q.n {
			buf[i] = q.buf[(q.first+i)%len(q.buf)]
		}
		q.buf, q.first = buf, 0
	}
	q.buf[(q.first+q.n)%len(q.buf)] = v
	q.n++
}

func (q *valueQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
