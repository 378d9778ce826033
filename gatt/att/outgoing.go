package att

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// enqueue queues a transaction. Must run on the loop.
func (b *Bearer) enqueue(now time.Time, t *transaction) {
	b.now = now
	if b.down {
		t.deliverResult(now, nil, b.Err())
		return
	}
	switch t.kind {
	case KindRequest:
		b.requests.waiting.addTransaction(now, t)
		b.sendNext(now, &b.requests)
	case KindIndication:
		b.indications.waiting.addTransaction(now, t)
		b.sendNext(now, &b.indications)
	default:
		b.paced.addTransaction(now, t)
		b.sendPaced(now)
	}
}

// sendNext sends the next PDU of a lane unless one is outstanding. It does not
// check for room, since a lane sends one PDU at a time.
func (b *Bearer) sendNext(now time.Time, l *lane) {
	for !b.down && l.out == nil {
		t := l.waiting.nextLive(now)
		if t == nil {
			break
		}
		if err := b.checkTransaction(t); err != nil {
			t.deliverResult(now, nil, err)
			continue
		}
		l.out, l.deadline = t, now.Add(transactionTimeout)
		l.noteSent(now)
		b.ch.Send(t.pdu)
	}
	b.setDeadline()
}

// sendPaced sends commands and notifications while the channel has room. If any
// are left, Room has reported false, and the channel will call Writable.
func (b *Bearer) sendPaced(now time.Time) {
	for !b.down && b.paced.first != nil && b.ch.Room() {
		t := b.paced.nextLive(now)
		if t == nil {
			return
		}
		err := b.checkTransaction(t)
		if err == nil {
			b.ch.Send(t.pdu)
		}
		t.deliverResult(now, nil, err)
	}
}

// checkTransaction returns why a transaction whose turn has come must not be
// sent.
func (b *Bearer) checkTransaction(t *transaction) error {
	if mtu := b.MTU(); len(t.pdu) > mtu {
		return &TooLongError{Op: t.op(), Len: len(t.pdu), MTU: mtu}
	}
	if t.op() == OpExchangeMTUReq && b.askedMTU {
		return ErrMTUExchanged
	}
	if t.cond != nil {
		return t.cond.Check()
	}
	return nil
}

// handleResponse handles the answer to the outstanding request; r is behind the
// opcode.
//
//	op                     outstanding request   effect
//	any                    none                  dropped
//	its response           any                   the request is answered
//	another response       any                   RuleResponse
//	Error Response, malformed                    RuleErrorLayout
//	  for another request                        RuleErrorRequest
//	  for a foreign handle                       RuleErrorHandle
//	  else                                       the request is answered
func (b *Bearer) handleResponse(now time.Time, op Opcode, r *wire.Reader) {
	t := b.requests.out
	if t == nil {
		// This is no late answer to a canceled request, which stays outstanding.
		b.logDropped(op, "no request is outstanding")
		return
	}
	var body []byte
	var err error
	switch op {
	case OpErrorRsp:
		p, rerr := readErrorRsp(r)
		if rule, detail := brokenBy(p, rerr, t); rule != 0 {
			b.failBearer(now, &ProtocolError{Rule: rule, Got: op, Pending: t.op(), Detail: detail})
			return
		}
		err = p.Err()
	case t.want:
		body = slices.Clone(r.Rest())
	default:
		b.failBearer(now, &ProtocolError{Rule: RuleResponse, Got: op, Pending: t.op()})
		return
	}
	if op := t.op(); op == OpExchangeMTUReq {
		b.handleMTURsp(t, body)
	}
	b.requests.takeOutstanding(now).deliverResult(now, body, err)
	b.sendNext(now, &b.requests)
}

// brokenBy returns the rule that an Error Response breaks, 0 if none, and how.
func brokenBy(p ErrorRsp, err error, t *transaction) (Rule, string) {
	switch {
	case err != nil:
		return RuleErrorLayout, err.Error()
	case p.Request != t.op():
		return RuleErrorRequest, "it names " + p.Request.String()
	case p.Handle != HandleNone && !names(t.pdu, p.Handle):
		return RuleErrorHandle, "it names handle " + p.Handle.String()
	}
	return 0, ""
}

// names reports whether a request names a handle: alone, in a list or in a
// range.
func names(req []byte, h Handle) bool {
	r := wire.NewReader(req)
	switch Opcode(r.U8()) {
	case OpReadReq, OpReadBlobReq, OpWriteReq, OpPrepareWriteReq:
		return h == Handle(r.U16())
	case OpReadMultipleReq, OpReadMultipleVariableReq:
		for r.Len() > 0 {
			if h == Handle(r.U16()) {
				return true
			}
		}
		return false
	case OpFindInformationReq, OpFindByTypeValueReq, OpReadByTypeReq, OpReadByGroupTypeReq:
		return HandleRange{Start: Handle(r.U16()), End: Handle(r.U16())}.Contains(h)
	default:
		// Execute Write fails at the attribute that was not written; the handle
		// in the answer to an MTU request has no meaning.
		return true
	}
}

// handleConfirmation handles the answer to the outstanding indication.
func (b *Bearer) handleConfirmation(now time.Time) {
	if b.indications.out == nil {
		b.logDropped(OpHandleValueConfirmation, "no indication is outstanding")
		return
	}
	b.indications.takeOutstanding(now).deliverResult(now, nil, nil)
	b.sendNext(now, &b.indications)
}
