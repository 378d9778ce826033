package att

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/flood"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

const (
	// transactionTimeout is how long a request or an indication may stay without
	// an answer, from when it was handed to the channel (Vol 3, Part F, 3.3.3).
	transactionTimeout = 30 * time.Second

	levelLink = slog.Level(-2)
)

// Bearer carries the attribute protocol over one channel, in both roles. See the
// package documentation for how it works, [Do] for requests.
type Bearer struct {
	ch    Channel
	rxMTU int // what we can receive
	log   *slog.Logger
	free  chan *transaction

	mtu     atomic.Int32
	failure atomic.Pointer[closedError] // why the bearer ended; nil while it lives
	agreed  atomic.Bool                 // the peer has asked for the MTU
	asked   atomic.Int64                // when the outstanding request was sent, in ns of Unix time; 0: none

	// All below belongs to the loop.
	down        bool
	now         time.Time // the latest that the loop has told
	requests    lane
	indications lane
	paced       fifo // commands and notifications that wait for room
	askedMTU    bool // our exchange is done
	gaveMTU     bool // the peer's exchange is done
	notify      NotifyHandler
	unconfirmed bool // an indication of the peer
	in          incoming
	scratch     []byte // empty, with room for the bearer's own answers
}

// NewBearer returns a bearer on ch that has the MTU of 23. Called on the loop, or
// before ch can receive. cfg may be nil and is not kept.
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
	b.requests.sent = &b.asked
	return b
}

// SetNotifyHandler says who takes notifications and indications; without a
// handler they are dropped, and indications confirmed. Called on the loop, or
// before the channel can receive.
func (b *Bearer) SetNotifyHandler(h NotifyHandler) { b.notify = h }

// MTU returns the longest PDU that may be sent, in octets: 23 until the MTU has
// been exchanged, whichever side asked for that. It never shrinks. Any goroutine
// may call it.
func (b *Bearer) MTU() int { return int(b.mtu.Load()) }

// Outstanding returns when the request was sent that the peer has not answered
// yet; ok is false if there is none. Any goroutine may call it.
func (b *Bearer) Outstanding() (since time.Time, ok bool) {
	ns := b.asked.Load()
	return time.Unix(0, ns), ns != 0
}

// Post hands a task to the loop that the bearer lives on; see loop.Poster.
func (b *Bearer) Post(t loop.Task) bool { return b.ch.Post(t) }

// Done is closed when the link has ended. Any goroutine may use it.
func (b *Bearer) Done() <-chan struct{} { return b.ch.Done() }

// Err returns why the bearer has ended, nil if it has not. The error wraps
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

// endError is Err for those who know that the bearer has ended, though Done may not
// be closed yet.
func (b *Bearer) endError() error {
	if err := b.Err(); err != nil {
		return err
	}
	return &closedError{}
}

// Frame takes one PDU from the channel. Called on the loop; pdu is not kept.
//
// A PDU that is longer than the MTU is treated by what it is. A request gets the
// error Invalid PDU. Anything else is taken as long as it fits what we said, or
// would say, we can receive: nothing is lost by it. What is longer still breaks
// [RuleLength]: a response ends the bearer, since its request would stay
// unanswered; other PDUs are dropped, indications not without confirmation.
func (b *Bearer) Frame(now time.Time, pdu []byte) {
	if b.down {
		return
	}
	b.now = now
	r := wire.NewReader(pdu)
	op := Opcode(r.U8())
	if r.Err() != nil {
		b.logDropped(op, "empty PDU")
		return
	}
	tooLong := len(pdu) > b.rxMTU
	switch op.Kind() {
	case KindResponse:
		if tooLong {
			b.failBearer(now, &ProtocolError{Rule: RuleLength, Got: op, Pending: b.pendingOpcode()})
			return
		}
		b.handleResponse(now, op, &r)
	case KindNotification:
		if tooLong {
			b.logDropped(op, "longer than what can be received")
			return
		}
		b.handleNotification(now, op, &r)
	case KindIndication:
		b.handleIndication(now, &r, tooLong)
	case KindConfirmation:
		b.handleConfirmation(now)
	case KindCommand:
		b.handleCommand(now, op, pdu, tooLong)
	case KindRequest, KindUnknown:
		b.handleRequest(now, pdu)
	}
}

// pendingOpcode returns the opcode of the outstanding request, 0 if there is none.
func (b *Bearer) pendingOpcode() Opcode {
	if b.requests.out == nil {
		return 0
	}
	return b.requests.out.op()
}

// handleNotification hands the values of the PDU on, one by one.
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

// handleIndication hands the value on. One that cannot be read is confirmed as well,
// as its sender waits for that.
func (b *Bearer) handleIndication(now time.Time, r *wire.Reader, tooLong bool) {
	if b.unconfirmed {
		b.failBearer(now, &ProtocolError{Rule: RuleSequentialIndications, Got: OpHandleValueIndication})
		return
	}
	if !b.in.flood.Admit(b.ch.Room()) {
		b.failBearer(now, &ProtocolError{Rule: RuleSequentialIndications, Got: OpHandleValueIndication, Detail: "it takes no confirmations"})
		return
	}
	b.unconfirmed = true
	p, err := readHandleValueIndication(r)
	switch {
	case tooLong:
		b.logDropped(OpHandleValueIndication, "longer than what can be received")
	case err != nil:
		b.logDropped(OpHandleValueIndication, "malformed")
	case b.notify != nil && !b.notify.Indication(now, p.Handle, p.Value):
		return
	}
	b.Confirm()
}

// Confirm confirms the indication for which the NotifyHandler's Indication
// returned false. Called on the loop; without such an indication it does
// nothing, so no indication is confirmed twice.
func (b *Bearer) Confirm() {
	if b.down || !b.unconfirmed {
		return
	}
	b.unconfirmed = false
	b.ch.Send(HandleValueConfirmation{}.AppendPDU(b.scratch[:0]))
}

// Writable says that the channel has room again. Called on the loop.
func (b *Bearer) Writable(now time.Time) {
	b.now = now
	b.in.flood = flood.Counter{}
	b.sendPaced(now)
}

// Expire says that the deadline has come. Called on the loop.
func (b *Bearer) Expire(now time.Time) {
	b.now = now
	for _, l := range [...]*lane{&b.requests, &b.indications} {
		if !b.down && l.out != nil && !now.Before(l.deadline) {
			b.failBearer(now, fmt.Errorf("%w: no answer to %s within %v", ErrTransactionTimeout, l.out.op(), transactionTimeout))
		}
	}
	b.setDeadline()
}

// setDeadline asks for the earlier deadline of both lanes.
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

// Down says that the channel has ended. Called on the loop.
func (b *Bearer) Down(now time.Time, cause error) {
	if !b.down {
		b.endBearer(now, &closedError{cause: cause})
	}
}

// failBearer ends the bearer and asks for the end of the link.
func (b *Bearer) failBearer(now time.Time, cause error) {
	if b.log != nil && b.log.Enabled(context.Background(), levelLink) {
		b.log.Log(context.Background(), levelLink, "attribute bearer failed", "error", cause)
	}
	b.ch.SetDeadline(time.Time{})
	b.endBearer(now, &closedError{cause: cause, own: true})
}

// endBearer gives everybody who waits the cause. A failure of the bearer's own closes
// the channel first: who learns of the failure finds the link on its way down.
func (b *Bearer) endBearer(now time.Time, err *closedError) {
	b.failure.Store(err)
	b.down = true
	if err.own {
		b.ch.Close(err.cause)
	}
	b.requests.failLane(now, err)
	b.indications.failLane(now, err)
	b.paced.failWaiting(now, err)
	b.in.backlog = nil
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
