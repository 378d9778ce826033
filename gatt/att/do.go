package att

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// Condition is asked on the loop when the turn of a PDU has come to be sent.
type Condition interface {
	// Check returns nil to have the PDU sent, or the error that the caller gets
	// in place of it. It must not wait.
	Check() error
}

// Do sends a request and returns the response of the peer, or its *[Error].
//
// One request of a bearer is outstanding at a time; others wait in the order in
// which they came. Ending ctx frees the caller at once: a request that waits is
// then never sent, one that is out stays so until it is answered, and its answer
// is dropped. The peer has 30 seconds, from sending, to answer; then the bearer
// ends with [ErrTransactionTimeout].
//
// A response that breaks the rules of its layout, or is not about what was asked,
// is a *[MalformedError]; the bearer lives on. The response belongs to the
// caller. Do must not be called on the loop.
func Do[R any](ctx context.Context, b *Bearer, req Request[R]) (R, error) {
	return DoIf(ctx, b, nil, req)
}

// DoIf is Do for a request that must not be sent if a condition no longer holds
// when its turn comes.
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

// Detach sends a request whose answer nobody waits for, when its turn comes. It
// does not wait, but for room in the loop's queue, and must not be called on the
// loop.
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
// [SignedWriteCmd]. It returns when the channel has taken the PDU, so that a
// caller is slowed down to the pace of the link. If ctx ends before, the PDU is
// not sent. Must not be called on the loop.
//
// To save the allocation that making an interface of a value costs, pass a
// pointer that is used again, or call WriteCommand.
func (b *Bearer) Command(ctx context.Context, cmd PDU) error {
	if k := cmd.Opcode().Kind(); k != KindCommand {
		return fmt.Errorf("att: %s is a %s, not a command: use Do, Notify or Indicate", cmd.Opcode(), k)
	}
	t := b.newTransaction(KindCommand)
	t.pdu = cmd.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// WriteCommand is Command with a [WriteCmd] and no allocation. cond may be nil.
func (b *Bearer) WriteCommand(ctx context.Context, cond Condition, h Handle, value []byte) error {
	t := b.newTransaction(KindCommand)
	t.cond = cond
	t.pdu = WriteCmd{Handle: h, Value: value}.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// Notify sends a [HandleValueNotification] or [MultipleHandleValueNotification]
// as Command does. Whether the peer has asked for it is the caller's to know.
func (b *Bearer) Notify(ctx context.Context, ntf PDU) error { return b.NotifyIf(ctx, nil, ntf) }

// NotifyIf is Notify for values that must not be sent if a condition no longer
// holds when their turn comes.
func (b *Bearer) NotifyIf(ctx context.Context, cond Condition, ntf PDU) error {
	if k := ntf.Opcode().Kind(); k != KindNotification {
		return fmt.Errorf("att: %s is a %s, not a notification: use Do, Command or Indicate", ntf.Opcode(), k)
	}
	t := b.newTransaction(KindCommand)
	t.cond = cond
	t.pdu = ntf.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// NotifyValue is NotifyIf with a [HandleValueNotification] and no allocation.
// cond may be nil.
func (b *Bearer) NotifyValue(ctx context.Context, cond Condition, h Handle, value []byte) error {
	t := b.newTransaction(KindCommand)
	t.cond = cond
	t.pdu = HandleValueNotification{Handle: h, Value: value}.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// Indicate sends an indication and returns when the peer has confirmed it. One
// is outstanding at a time, others wait; ctx and the 30 seconds count as in
// [Do]. Must not be called on the loop.
func (b *Bearer) Indicate(ctx context.Context, ind HandleValueIndication) error {
	return b.IndicateIf(ctx, nil, ind)
}

// IndicateIf is Indicate for a value that must not be sent if a condition no
// longer holds when its turn comes.
func (b *Bearer) IndicateIf(ctx context.Context, cond Condition, ind HandleValueIndication) error {
	t := b.newTransaction(KindIndication)
	t.cond = cond
	t.pdu = ind.AppendPDU(t.pdu[:0])
	return t.sendAndWait(ctx)
}

// StartIndicate is Indicate for callers on the loop: it does not wait, and then,
// if not nil, is called on the loop with the result.
func (b *Bearer) StartIndicate(now time.Time, ind HandleValueIndication, then func(now time.Time, err error)) {
	t := b.newTransaction(KindIndication)
	t.then = then
	t.pdu = ind.AppendPDU(t.pdu[:0])
	b.detachTransaction(t)
	b.enqueue(now, t)
}
