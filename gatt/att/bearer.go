package att

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/flood"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

const (
	// transactionTimeout is the time that the peer has to answer a request or an
	// indication, from when it was passed to the channel (Vol 3, Part F, 3.3.3).
	transactionTimeout = 30 * time.Second

	levelLink = slog.Level(-2)
)

// Bearer carries the Attribute Protocol over one channel, in both roles. See the
// package documentation, and [Do] for requests.
type Bearer struct {
	ch    Channel
	rxMTU int // the longest PDU that this side accepts
	log   *slog.Logger
	free  chan *transaction

	mtu     atomic.Int32
	offer   atomic.Int32                  // the MTU of this side in exchanges: both state the same
	least   atomic.Int32                  // see LeastMTU
	failure atomic.Pointer[closedError]   // why the bearer ended; nil before that
	agreed  atomic.Bool                   // the peer has asked for the MTU
	next    atomic.Pointer[chan struct{}] // see Heard; nil if nobody waits

	// All below belongs to the loop.
	down        bool
	now         time.Time // of the latest call by the loop
	requests    lane
	mismatches  int // responses since the latest right one that answered no request
	indications lane
	paced       fifo // commands and notifications that wait for room
	feed        Feed // nil if none
	fed         bool // the latest of paced and feed was of feed
	feedPDU     []byte
	askedMTU    bool // this side's exchange is done
	gaveMTU     bool // the peer's exchange is done
	exchanged   bool // either exchange had a result
	notify      NotifyHandler
	unconfirmed bool // an indication of the peer awaits Confirm
	in          incoming
	scratch     []byte       // empty, with capacity for the bearer's own answers
	unasked     atomic.Int64 // see Unasked, in ns of Unix time; for other goroutines, too
}

// NewBearer returns a bearer on ch with an MTU of 23. cfg may be nil and is not
// kept. Must run on the loop, or before ch can receive.
func NewBearer(ch Channel, cfg *Config) *Bearer {
	if cfg == nil {
		cfg = &Config{}
	}
	b := &Bearer{
		ch:    ch,
		rxMTU: cfg.mtu(),
		log:   cfg.Logger,
		free:  make(chan *transaction, freeTransactions),
		in:    incoming{handler: cfg.Requests},

		scratch: make([]byte, 0, 8),
	}
	b.mtu.Store(DefaultMTU)
	b.offer.Store(int32(b.rxMTU))
	b.least.Store(DefaultMTU)
	return b
}

// SetNotifyHandler sets the handler of notifications and indications. Without a
// handler they are dropped, and indications confirmed. Must run on the loop, or
// before the channel can receive.
func (b *Bearer) SetNotifyHandler(h NotifyHandler) { b.notify = h }

// MTU returns the longest PDU that may be sent, in octets: 23 until either side
// has exchanged the MTU. It never shrinks. Any goroutine may call it.
func (b *Bearer) MTU() int { return int(b.mtu.Load()) }

// LeastMTU returns the smallest MTU that the peer may go by, in octets. It is
// below MTU if both sides have asked and the two exchanges had different
// results: a value in an answer may be cut off at either length. Any goroutine
// may call it.
func (b *Bearer) LeastMTU() int { return int(b.least.Load()) }

// Outstanding returns when the request was sent that the peer has not answered
// yet; ok is false if there is none. Any goroutine may call it.
func (b *Bearer) Outstanding() (since time.Time, ok bool) {
	ns := b.requests.sent.Load()
	return time.Unix(0, ns), ns > 0
}

// IdleSince returns when the last request was answered; the zero time if there was
// none. ok is false while a request is outstanding. Any goroutine may call it.
func (b *Bearer) IdleSince() (since time.Time, ok bool) {
	ns := b.requests.sent.Load()
	if ns == 0 {
		return since, true
	}
	return time.Unix(0, -ns), ns < 0
}

// Unasked returns when the peer has last sent a notification or an indication; the
// zero time if it has sent none. Any goroutine may call it.
func (b *Bearer) Unasked() time.Time {
	if ns := b.unasked.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Heard returns a channel that is closed with the next PDU of the peer, whichever it
// is. Any goroutine may call it.
func (b *Bearer) Heard() <-chan struct{} {
	ch := make(chan struct{})
	for !b.next.CompareAndSwap(nil, &ch) {
		if p := b.next.Load(); p != nil {
			return *p
		}
	}
	return ch
}

// noteHeard closes the channel of Heard.
func (b *Bearer) noteHeard() {
	if b.next.Load() != nil {
		close(*b.next.Swap(nil))
	}
}

// Post posts a task to the bearer's loop; see loop.Poster.
func (b *Bearer) Post(t loop.Task) bool { return b.ch.Post(t) }

// Done returns a channel that is closed when the link has ended. Any goroutine
// may call it.
func (b *Bearer) Done() <-chan struct{} { return b.ch.Done() }

// Err returns why the bearer has ended; nil before that. The error wraps
// net.ErrClosed and the cause. Any goroutine may call it.
func (b *Bearer) Err() error {
	if f := b.failure.Load(); f != nil {
		return f
	}
	select {
	case <-b.ch.Done():
		return &closedError{cause: b.ch.Err()}
	default:
		return nil
	}
}

// endError returns Err for a bearer that has ended, even if Done is not closed
// yet.
func (b *Bearer) endError() error {
	if err := b.Err(); err != nil {
		return err
	}
	return &closedError{}
}

// Frame handles one PDU from the channel and does not keep it. Must run on the
// loop.
//
// A PDU longer than the MTU is treated by its kind. A request is answered with
// Invalid PDU. Any other PDU is accepted if it is no longer than the MTU that
// this side offers in the exchange. A longer one breaks [RuleLength]: the response
// to the outstanding request ends the bearer, since the request would stay
// unanswered; any other PDU is dropped, an indication after its confirmation.
func (b *Bearer) Frame(now time.Time, pdu []byte) {
	if b.down {
		return
	}
	b.now = now
	defer b.noteHeard()
	r := wire.NewReader(pdu)
	op := Opcode(r.U8())
	if r.Err() != nil {
		b.logDropped(op, "empty PDU")
		return
	}
	tooLong := len(pdu) > b.rxMTU
	switch op.Kind() {
	case KindResponse:
		b.handleResponse(now, op, &r, tooLong)
	case KindNotification:
		b.unasked.Store(now.UnixNano())
		if tooLong {
			b.logDropped(op, "longer than what can be received")
			return
		}
		b.handleNotification(now, op, &r)
	case KindIndication:
		b.unasked.Store(now.UnixNano())
		b.handleIndication(now, pdu)
	case KindConfirmation:
		b.handleConfirmation(now)
	case KindCommand:
		b.handleCommand(now, op, pdu, tooLong)
	case KindRequest, KindUnknown:
		b.handleRequest(now, pdu)
	}
}

// handleNotification passes each value of the PDU to the handler.
func (b *Bearer) handleNotification(now time.Time, op Opcode, r *wire.Reader) {
	if op == OpHandleValueNotification {
		p, err := readHandleValueNotification(r)
		switch {
		case err != nil:
			b.logDropped(op, "malformed")
		case b.notify != nil:
			b.notify.Notification(now, p.Handle, p.Value)
		}
		return
	}
	p, err := readMultipleHandleValueNotification(r)
	if err != nil {
		b.logDropped(op, "malformed")
		return
	}
	if b.notify == nil {
		return
	}
	for v := range p.All() {
		b.notify.Notification(now, v.Handle, v.Value)
	}
}

// handleIndication handles an indication at once, or after the earlier ones whose
// confirmation is withheld.
func (b *Bearer) handleIndication(now time.Time, pdu []byte) {
	switch {
	case !b.in.flood.Admit(b.ch.Room()):
		b.failBearer(now, &ProtocolError{Rule: RuleSequentialIndications, Got: OpHandleValueIndication, Detail: "it takes no confirmations"})
	case !b.unconfirmed:
		b.deliverIndication(now, pdu)
	case len(b.in.early) == maxBacklog:
		b.failBearer(now, &ProtocolError{Rule: RuleSequentialIndications, Got: OpHandleValueIndication})
	default:
		b.in.early = append(b.in.early, slices.Clone(pdu))
	}
}

// deliverIndication passes the value to the handler. A malformed indication is
// confirmed too, since its sender waits for that.
func (b *Bearer) deliverIndication(now time.Time, pdu []byte) {
	b.unconfirmed = true
	r := wire.NewReader(pdu)
	r.U8()
	p, err := readHandleValueIndication(&r)
	switch {
	case len(pdu) > b.rxMTU:
		b.logDropped(OpHandleValueIndication, "longer than what can be received")
	case err != nil:
		b.logDropped(OpHandleValueIndication, "malformed")
	case b.notify != nil && !b.notify.Indication(now, p.Handle, p.Value):
		return
	}
	b.Confirm()
}

// Confirm confirms the indication for which NotifyHandler.Indication returned
// false. If the peer has sent another one already, that is passed to the handler
// before Confirm returns. Without such an indication Confirm does nothing, so that
// none is confirmed twice. Must run on the loop.
func (b *Bearer) Confirm() {
	if b.down || !b.unconfirmed {
		return
	}
	b.unconfirmed = false
	b.ch.Send(HandleValueConfirmation{}.AppendPDU(b.scratch[:0]))
	if len(b.in.early) > 0 {
		pdu := b.in.early[0]
		b.in.early = slices.Delete(b.in.early, 0, 1)
		b.deliverIndication(b.now, pdu)
	}
}

// Writable tells the bearer that the channel has room again. Must run on the
// loop.
func (b *Bearer) Writable(now time.Time) {
	b.now = now
	b.in.flood = flood.Counter{}
	b.sendPaced(now)
}

// Expire tells the bearer that its deadline has passed. Must run on the loop.
func (b *Bearer) Expire(now time.Time) {
	b.now = now
	for _, l := range [...]*lane{&b.requests, &b.indications} {
		if !b.down && l.out != nil && !now.Before(l.deadline) {
			b.failBearer(now, fmt.Errorf("%w: no answer to %s within %v", ErrTransactionTimeout, l.out.op(), transactionTimeout))
		}
	}
	b.setDeadline()
}

// setDeadline requests the earlier deadline of both lanes.
func (b *Bearer) setDeadline() {
	if b.down {
		return
	}
	d := b.requests.deadline
	if i := b.indications.deadline; !i.IsZero() && (d.IsZero() || i.Before(d)) {
		d = i
	}
	b.ch.SetDeadline(d)
}

// Down tells the bearer that the channel has ended. Must run on the loop.
func (b *Bearer) Down(now time.Time, cause error) {
	if !b.down {
		b.endBearer(now, &closedError{cause: cause})
	}
}

// failBearer ends the bearer and, through the channel, the link.
func (b *Bearer) failBearer(now time.Time, cause error) {
	if b.log != nil && b.log.Enabled(context.Background(), levelLink) {
		b.log.Log(context.Background(), levelLink, "attribute bearer failed", "error", cause)
	}
	b.ch.SetDeadline(time.Time{})
	b.endBearer(now, &closedError{cause: cause, own: true})
}

// endBearer fails all pending calls with err. If the bearer ends itself, the
// channel is closed first: a caller that gets the error finds the link already
// ending.
func (b *Bearer) endBearer(now time.Time, err *closedError) {
	b.failure.Store(err)
	b.down = true
	if err.own {
		b.ch.Close(err.cause)
	}
	b.requests.failLane(now, err)
	b.indications.failLane(now, err)
	b.paced.failWaiting(now, err)
	b.in.backlog, b.in.early = nil, nil
	if b.in.handler != nil {
		b.in.handler.Down(now, b)
	}
}

// logDropped logs a PDU of the peer that has no effect.
func (b *Bearer) logDropped(op Opcode, why string) {
	if b.log != nil && b.log.Enabled(context.Background(), slog.LevelDebug) {
		b.log.Debug("attribute PDU dropped", "op", op, "why", why)
	}
}
