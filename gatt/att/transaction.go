package att

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// transaction is one PDU on its way out and, if it is answered, back. Bearers
// use them again and again, so that a request costs no memory.
//
// It belongs to its caller until Post, then to the loop. state decides who puts
// it back: the caller takes a result that is there, and the loop gets rid of
// what its caller has abandoned.
//
//	caller: pending -> abandoned (ctx ended)   loop: releases it when it is due
//	loop:   pending -> done (signals ready)    caller: reads rsp, err; releases it
type transaction struct {
	b     *Bearer
	state atomic.Uint32
	ready chan struct{} // one slot

	// Set by the caller, read on the loop.
	kind     Kind      // KindRequest, KindIndication, or KindCommand for all that is paced
	pdu      []byte    // encoded
	want     Opcode    // of the response to a request
	cond     Condition // nil: none
	detached bool      // nobody waits, and it is to be sent all the same
	then     func(now time.Time, err error)

	// Set on the loop, read by the caller after ready.
	rsp []byte // the response behind its opcode; not used again
	err error

	reader wire.Reader  // of rsp; here so that it costs no memory
	next   *transaction // in a queue
}

const (
	statePending uint32 = iota
	stateDone
	stateAbandoned
)

// freeTransactions is how many idle transactions a bearer keeps. It is a small
// channel rather than a sync.Pool, which the collector empties.
const freeTransactions = 8

// newTransaction returns a transaction that is all zero but for its memory.
func (b *Bearer) newTransaction(kind Kind) *transaction {
	select {
	case t := <-b.free:
		t.kind = kind
		return t
	default:
		return &transaction{b: b, kind: kind, ready: make(chan struct{}, 1)}
	}
}

// releaseTransaction takes back a transaction that nobody refers to anymore.
func (b *Bearer) releaseTransaction(t *transaction) {
	t.state.Store(statePending)
	t.want, t.cond, t.detached, t.then, t.rsp, t.err = 0, nil, false, nil, nil, nil
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

// Run puts the transaction in its queue. Called on the loop.
func (t *transaction) Run(now time.Time) { t.b.enqueue(now, t) }

// isAbandoned reports whether the transaction need not be sent anymore. Called on the
// loop.
func (t *transaction) isAbandoned() bool { return !t.detached && t.state.Load() == stateAbandoned }

// deliverResult gives the transaction its result. Called on the loop, which must not
// touch it afterwards.
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
// transaction is no longer the caller's; after nil it is, with rsp and err.
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
		<-t.ready // the result was there first
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("att: %s: %w", op, context.Cause(ctx))
	}
	return t.b.endError()
}

// sendAndWait waits for the result of a transaction that has no response to read.
func (t *transaction) sendAndWait(ctx context.Context) error {
	if err := t.awaitResult(ctx); err != nil {
		return err
	}
	err := t.err
	t.b.releaseTransaction(t)
	return err
}

// fifo is a queue of transactions. Its owner is the loop. Callers bound it, as
// each waits for its own; what they have abandoned is swept out whenever the
// queue has doubled, so it never holds more than twice the callers and a few.
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

// nextLive returns the next transaction that still has somebody waiting for it.
func (q *fifo) nextLive(now time.Time) *transaction {
	for {
		t := q.unlinkFirst()
		if t == nil || !t.isAbandoned() {
			return t
		}
		t.deliverResult(now, nil, nil)
	}
}

func (q *fifo) sweepAbandoned(now time.Time) {
	for range q.n {
		if t := q.unlinkFirst(); t.isAbandoned() {
			t.deliverResult(now, nil, nil)
		} else {
			q.linkLast(t)
		}
	}
}

// failWaiting ends all that wait.
func (q *fifo) failWaiting(now time.Time, err error) {
	for t := q.unlinkFirst(); t != nil; t = q.unlinkFirst() {
		t.deliverResult(now, nil, err)
	}
}

// lane is a queue of PDUs of which one at a time may be unanswered: requests or
// indications (Vol 3, Part F, 3.3.2). Its owner is the loop.
type lane struct {
	waiting  fifo
	out      *transaction  // sent and unanswered; nil: none
	deadline time.Time     // for the answer to out
	sent     *atomic.Int64 // when out was sent, for other goroutines; nil: nobody asks
}

func (l *lane) noteSent(now time.Time) {
	if l.sent != nil {
		l.sent.Store(now.UnixNano())
	}
}

// takeOutstanding takes the outstanding transaction off the lane.
func (l *lane) takeOutstanding() *transaction {
	t := l.out
	l.out, l.deadline = nil, time.Time{}
	if l.sent != nil {
		l.sent.Store(0)
	}
	return t
}

func (l *lane) failLane(now time.Time, err error) {
	if t := l.takeOutstanding(); t != nil {
		t.deliverResult(now, nil, err)
	}
	l.waiting.failWaiting(now, err)
}
