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

	// Of an unenhanced bearer, for other goroutines: see EnhancedBearers,
	// EnhancedErr and LeastMTU.
	shared        atomic.Pointer[[]*Bearer]
	groupErr      atomic.Pointer[error]
	groupFailed   chan struct{}
	leastEnhanced atomic.Int32 // of the enhanced bearers so far; 0 if there were none
	// Of an enhanced bearer.
	primary  *Bearer         // the unenhanced bearer of the link
	enhanced EnhancedChannel // ch
	proven   atomic.Bool     // carries requests

	// All below belongs to the loop.
	group       *group // nil until the link has an enhanced bearer
	queued      uint64 // transactions so far
	commanded   bool   // a command of this side was sent before there was a group
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

		scratch:     make([]byte, 0, 8),
		groupFailed: make(chan struct{}),
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

// root returns the unenhanced bearer of the link.
func (b *Bearer) root() *Bearer {
	if b.primary != nil {
		return b.primary
	}
	return b
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
		b.root().unasked.Store(now.UnixNano())
		if tooLong {
			b.logDropped(op, "longer than what can be received")
			return
		}
		b.handleNotification(now, op, &r)
	case KindIndication:
		b.root().unasked.Store(now.UnixNano())
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
	notify := b.root().notify
	if op == OpHandleValueNotification {
		p, err := readHandleValueNotification(r)
		switch {
		case err != nil:
			b.logDropped(op, "malformed")
		case notify != nil:
			notify.Notification(now, p.Handle, p.Value)
		}
		return
	}
	p, err := readMultipleHandleValueNotification(r)
	if err != nil {
		b.logDropped(op, "malformed")
		return
	}
	if notify == nil {
		return
	}
	for v := range p.All() {
		notify.Notification(now, v.Handle, v.Value)
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
	case b.root().notify != nil && !b.root().notify.Indication(now, p.Handle, p.Value):
		return
	}
	b.confirmHere()
}

// Confirm confirms the indications for which NotifyHandler.Indication returned
// false: at most one on each bearer of the link, each on its own. If the peer has
// sent another one already, that is passed to the handler before Confirm returns.
// Without such an indication Confirm does nothing, so that none is confirmed twice.
// Must run on the loop.
func (b *Bearer) Confirm() {
	b.confirmHere()
	for _, e := range b.others() {
		e.confirmHere()
	}
}

// confirmHere is Confirm for the bearer alone.
func (b *Bearer) confirmHere() {
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
	b.sendWaiting(now)
}

// Expire tells the bearer that its deadline has passed. Must run on the loop.
func (b *Bearer) Expire(now time.Time) {
	b.now = now
	for _, l := range [...]*lane{&b.requests, &b.indications} {
		if !b.down && l.out != nil && !now.Before(l.deadline) {
			if l.out.alone {
				b.group.failEnhanced(now, fmt.Errorf("%w: no answer on an enhanced bearer within %v", ErrTransactionTimeout, trialTimeout))
				return
			}
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

// failBearer ends the bearer and, through the channel of an unenhanced one, the
// link.
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
	if b.primary != nil {
		b.in.backlog, b.in.early = nil, nil
		if b.in.handler != nil {
			b.in.handler.Down(now, b)
		}
		b.group.endEnhanced(now, b, err)
		return
	}
	for _, e := range b.others() {
		if !e.down {
			e.endBearer(now, &closedError{cause: err.cause})
		}
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
