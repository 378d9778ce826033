package att

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// Condition is checked on the loop immediately before a PDU is sent.
type Condition interface {
	// Check returns nil to send the PDU, or the error to return to the caller
	// instead. It must not wait.
	Check() error
}

// Do sends a request and returns the peer's response, or its *[Error].
//
// A bearer has one outstanding request at a time; others are queued in the order
// of the calls. When ctx ends, Do returns at once: a queued request is never
// sent, an outstanding one stays outstanding until the peer answers it, and the
// answer is dropped. The peer has 30 seconds from sending to answer; after that
// the bearer ends with [ErrTransactionTimeout].
//
// A response that is malformed, or does not match the request, is a
// *[MalformedError]; the bearer continues. The response belongs to the caller.
// Do must not be called on the loop.
func Do[R any](ctx context.Context, b *Bearer, req Request[R]) (R, error) {
	return DoIf(ctx, b, nil, req)
}

// DoIf is Do for a request that is sent only if cond still holds when its turn
// comes. cond may be nil.
func DoIf[R any](ctx context.Context, b *Bearer, cond Condition, req Request[R]) (rsp R, err error) {
	t := b.newTransaction(KindRequest)
	t.cond, t.want = cond, req.response()
	t.pdu = req.AppendPDU(t.pdu[:0])
	if err := t.awaitResult(ctx); err != nil {
		return rsp, err
	}
	if err = t.err; err == nil {
		t.reader = wire.NewReader(t.rsp)
		if rsp, err = req.readResponse(&t.reader); err != nil {
			err = &MalformedError{Op: t.want, Err: err}
		}
	}
	b.releaseTransaction(t)
	return rsp, err
}

// Detach queues a request whose answer is dropped. It waits only for room in the
// loop's queue, and must not be called on the loop.
func Detach[R any](b *Bearer, req Request[R]) {
	t := b.newTransaction(KindRequest)
	t.want = req.response()
	t.pdu = req.AppendPDU(t.pdu[:0])
	b.detachTransaction(t)
	if !b.ch.Post(t) {
		b.releaseTransaction(t)
	}
}

func (b *Bearer) detachTransaction(t *transaction) {
	t.detached = true
	t.state.Store(stateAbandoned)
}

// Command sends a PDU that the peer does not answer, a [WriteCmd] or
// [SignedWriteCmd]. It returns when the channel has accepted the PDU, which
// slows the caller down to the pace of the link. If ctx ends before, the PDU is
// not sent. Command must not be called on the loop.
//
// Converting a value to a PDU allocates. To avoid that, pass a pointer that is
// used again, or call WriteCommand.
func (b *Bearer) Command(ctx context.Context, cmd PDU) error {
	if k := cmd.Opcode().Kind(); k != KindCommand {
		return fmt.Errorf("att: %s is a %s, not a command: use Do, Notify or Indicate", cmd.Opcode(), k)
	}
	t := b.newTransaction(KindCommand)
	t.pdu = cmd.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// WriteCommand is Command with a [WriteCmd] and without allocation. cond may be
// nil.
func (b *Bearer) WriteCommand(ctx context.Context, cond Condition, h Handle, value []byte) error {
	t := b.newTransaction(KindCommand)
	t.cond = cond
	t.pdu = WriteCmd{Handle: h, Value: value}.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// Notify sends a [HandleValueNotification] or [MultipleHandleValueNotification]
// as Command does. The caller must know that the peer has subscribed to the
// value.
func (b *Bearer) Notify(ctx context.Context, ntf PDU) error { return b.NotifyIf(ctx, nil, ntf) }

// NotifyIf is Notify for values that are sent only if cond still holds when
// their turn comes. cond may be nil.
func (b *Bearer) NotifyIf(ctx context.Context, cond Condition, ntf PDU) error {
	if k := ntf.Opcode().Kind(); k != KindNotification {
		return fmt.Errorf("att: %s is a %s, not a notification: use Do, Command or Indicate", ntf.Opcode(), k)
	}
	t := b.newTransaction(KindCommand)
	t.cond = cond
	t.pdu = ntf.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// NotifyValue is NotifyIf with a [HandleValueNotification] and without
// allocation.
func (b *Bearer) NotifyValue(ctx context.Context, cond Condition, h Handle, value []byte) error {
	t := b.newTransaction(KindCommand)
	t.cond = cond
	t.pdu = HandleValueNotification{Handle: h, Value: value}.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// Indicate sends an indication and returns when the peer has confirmed it. A
// bearer has one outstanding indication at a time; the queue, ctx and the 30
// seconds are as with [Do]. Indicate must not be called on the loop.
func (b *Bearer) Indicate(ctx context.Context, ind HandleValueIndication) error {
	return b.IndicateIf(ctx, nil, ind)
}

// IndicateIf is Indicate for a value that is sent only if cond still holds when
// its turn comes. cond may be nil.
func (b *Bearer) IndicateIf(ctx context.Context, cond Condition, ind HandleValueIndication) error {
	t := b.newTransaction(KindIndication)
	t.cond = cond
	t.pdu = ind.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// StartIndicate is Indicate for callers on the loop. It does not wait; then, if
// not nil, is called on the loop with the result.
func (b *Bearer) StartIndicate(now time.Time, ind HandleValueIndication, then func(now time.Time, err error)) {
	t := b.newTransaction(KindIndication)
	t.then, t.only = then, b
	t.pdu = ind.AppendPDU(t.pdu[:0])
	b.detachTransaction(t)
	b.enqueue(now, t)
}
