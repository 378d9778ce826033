package att

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// transaction is one outgoing PDU and its answer, if it has one. A bearer reuses
// its transactions, so that a request does not allocate.
//
// A transaction belongs to its caller until Post, then to the loop. state
// decides which of them releases it: the caller a finished one, the loop an
// abandoned one.
//
//	caller: pending -> abandoned (ctx ended)   loop: releases it when it is due
//	loop:   pending -> done (signals ready)    caller: reads rsp, err; releases it
type transaction struct {
	b     *Bearer
	state atomic.Uint32
	ready chan struct{} // one slot

	// Set by the caller, read on the loop.
	kind     Kind      // KindRequest, KindIndication, or KindCommand for everything paced
	pdu      []byte    // encoded
	want     Opcode    // of the response to a request
	cond     Condition // nil if none
	detached bool      // sent although no caller waits
	then     func(now time.Time, err error)
	only     *Bearer // that may send it; nil for any
	alone    bool    // no other request is outstanding beside it

	seq uint64 // in the order of the calls; set on the loop

	// Set on the loop, read by the caller after ready.
	rsp []byte // the response behind its opcode; newly allocated
	err error

	reader wire.Reader  // of rsp; a field to save an allocation
	next   *transaction // in a fifo
}

const (
	statePending uint32 = iota
	stateDone
	stateAbandoned
)

// freeTransactions is the number of idle transactions that a bearer keeps: in a
// channel, since the garbage collector empties a sync.Pool.
const freeTransactions = 8

// newTransaction returns a transaction that is zero except for its buffers.
func (b *Bearer) newTransaction(kind Kind) *transaction {
	select {
	case t := <-b.free:
		t.kind = kind
		return t
	default:
		return &transaction{b: b, kind: kind, ready: make(chan struct{}, 1)}
	}
}

// releaseTransaction takes back a transaction without other references.
func (b *Bearer) releaseTransaction(t *transaction) {
	t.state.Store(statePending)
	t.want, t.cond, t.detached, t.then, t.rsp, t.err = 0, nil, false, nil, nil, nil
	t.only, t.alone = nil, false
	t.reader = wire.Reader{}
	select {
	case b.free <- t:
	default:
	}
}

// op returns the opcode of the PDU.
func (t *transaction) op() Opcode {
	r := wire.NewReader(t.pdu)
	return Opcode(r.U8())
}

// Run queues the transaction. It runs on the loop.
func (t *transaction) Run(now time.Time) { t.b.enqueue(now, t) }

// isAbandoned reports whether the transaction is not to be sent. Must run on the
// loop.
func (t *transaction) isAbandoned() bool { return !t.detached && t.state.Load() == stateAbandoned }

// deliverResult ends the transaction. Must run on the loop, which must not use
// the transaction afterwards.
func (t *transaction) deliverResult(now time.Time, rsp []byte, err error) {
	if t.then != nil {
		t.then(now, err)
	}
	t.rsp, t.err = rsp, err
	if t.state.CompareAndSwap(statePending, stateDone) {
		t.ready <- struct{}{}
		return
	}
	t.b.releaseTransaction(t)
}

// awaitResult posts the transaction and waits for its result. After an error the
// transaction no longer belongs to the caller; after nil it does, with rsp and
// err.
func (t *transaction) awaitResult(ctx context.Context) error {
	op := t.op()
	if ctx.Err() != nil {
		t.b.releaseTransaction(t)
		return fmt.Errorf("att: %s: %w", op, context.Cause(ctx))
	}
	if !t.b.ch.Post(t) {
		t.b.releaseTransaction(t)
		return t.b.endError()
	}
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
	case <-t.b.ch.Done():
	}
	if !t.state.CompareAndSwap(statePending, stateAbandoned) {
		<-t.ready // the result came first
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("att: %s: %w", op, context.Cause(ctx))
	}
	return t.b.endError()
}

// sendAndWait is awaitResult for a transaction without a response to decode; it
// releases the transaction.
func (t *transaction) sendAndWait(ctx context.Context) error {
	if err := t.awaitResult(ctx); err != nil {
		return err
	}
	err := t.err
	t.b.releaseTransaction(t)
	return err
}

// fifo is a queue of transactions. It belongs to the loop. Its length is bounded
// by the number of waiting callers: abandoned transactions are swept out
// whenever the queue has doubled, so it holds at most twice as many, or 16.
type fifo struct {
	first, last *transaction
	n, sweepAt  int
}

const fifoSweep = 16

func (q *fifo) addTransaction(now time.Time, t *transaction) {
	if q.n >= max(q.sweepAt, fifoSweep) {
		q.sweepAbandoned(now)
		q.sweepAt = 2 * q.n
	}
	q.linkLast(t)
}

func (q *fifo) linkLast(t *transaction) {
	if q.last == nil {
		q.first = t
	} else {
		q.last.next = t
	}
	q.last = t
	q.n++
}

func (q *fifo) unlinkFirst() *transaction {
	t := q.first
	if t == nil {
		return nil
	}
	q.first, t.next = t.next, nil
	if q.first == nil {
		q.last = nil
	}
	q.n--
	return t
}

// nextLive removes and returns the next transaction that is to be sent; nil if
// there is none.
func (q *fifo) nextLive(now time.Time) *transaction {
	for {
		t := q.unlinkFirst()
		if t == nil || !t.isAbandoned() {
			return t
		}
		t.deliverResult(now, nil, errNeverSent)
	}
}

// errNeverSent is the result of a transaction whose caller has returned before it
// was sent.
var errNeverSent = errors.New("att: never sent")

// dropAbandoned removes the first transactions that are not to be sent.
func (q *fifo) dropAbandoned(now time.Time) {
	for q.first != nil && q.first.isAbandoned() {
		q.unlinkFirst().deliverResult(now, nil, errNeverSent)
	}
}

func (q *fifo) sweepAbandoned(now time.Time) {
	for range q.n {
		if t := q.unlinkFirst(); t.isAbandoned() {
			t.deliverResult(now, nil, errNeverSent)
		} else {
			q.linkLast(t)
		}
	}
}

// failWaiting ends all queued transactions.
func (q *fifo) failWaiting(now time.Time, err error) {
	for t := q.unlinkFirst(); t != nil; t = q.unlinkFirst() {
		t.deliverResult(now, nil, err)
	}
}

// lane is a queue of PDUs of which at most one is unanswered: requests or
// indications (Vol 3, Part F, 3.3.2). It belongs to the loop.
type lane struct {
	waiting  fifo
	out      *transaction // sent and unanswered; nil if none
	deadline time.Time    // for the answer to out
	// sent is for other goroutines, too: when out was sent, in ns of Unix time, or the
	// negated time of the last answer; 0 before the first PDU. It is not beside the
	// fields of Bearer that every caller reads, because the loop writes it twice for
	// each transaction.
	sent atomic.Int64
}

func (l *lane) noteSent(now time.Time) { l.sent.Store(now.UnixNano()) }

// takeOutstanding removes and returns the outstanding transaction.
func (l *lane) takeOutstanding(now time.Time) *transaction {
	t := l.out
	l.out, l.deadline = nil, time.Time{}
	if t != nil {
		l.sent.Store(-now.UnixNano())
	}
	return t
}

func (l *lane) failLane(now time.Time, err error) {
	if t := l.takeOutstanding(now); t != nil {
		t.deliverResult(now, nil, err)
	}
	l.waiting.failWaiting(now, err)
}
