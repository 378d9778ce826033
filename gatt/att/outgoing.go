package att

import (
	"fmt"
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
	b.queued++
	t.seq = b.queued
	switch t.kind {
	case KindRequest:
		b.requests.waiting.addTransaction(now, t)
		b.sendNext(now, &b.requests)
	case KindIndication:
		b.indications.waiting.addTransaction(now, t)
		b.sendNext(now, &b.indications)
	default:
		b.paced.addTransaction(now, t)
		b.sendWaiting(now)
	}
}

// sendWaiting sends what waits for room or, on several bearers, for an answer.
func (b *Bearer) sendWaiting(now time.Time) {
	if b.group != nil {
		b.group.dispatch(now)
		return
	}
	b.sendPaced(now)
}

// sendNext sends the next PDU of a lane unless one is outstanding. It does not
// check for room, since a lane sends one PDU at a time.
func (b *Bearer) sendNext(now time.Time, l *lane) {
	if b.group != nil {
		b.group.dispatch(now)
		return
	}
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

// sendPaced sends commands and notifications while the channel has room, in turns with
// those of the feed. If any are left, Room has reported false, and the channel will call
// Writable; or the first command waits for an answer on an enhanced bearer.
func (b *Bearer) sendPaced(now time.Time) {
	for !b.down {
		feeds := b.feed != nil && b.feed.Waiting()
		b.paced.dropAbandoned(now)
		paces := b.paced.first != nil && (b.group == nil || !b.group.holdsBack(b.paced.first))
		if !feeds && !paces || !b.ch.Room() {
			return
		}
		if feeds && (!paces || !b.fed) {
			b.fed = true
			b.sendFeed()
			continue
		}
		b.fed = false
		t := b.paced.nextLive(now)
		if t == nil {
			continue
		}
		err := b.checkTransaction(t)
		if err == nil {
			switch {
			case b.group != nil:
				b.group.noteCommand(t.pdu)
			case !b.commanded:
				b.commanded = t.op().Kind() == KindCommand
			}
			b.ch.Send(t.pdu)
		}
		t.deliverResult(now, nil, err)
		if b.group != nil {
			b.group.again = true // a request may have waited for it
		}
	}
}

// sendFeed sends the next PDU of the feed.
func (b *Bearer) sendFeed() {
	b.feedPDU = b.feed.AppendNext(b.feedPDU[:0])
	if n := len(b.feedPDU); n > 0 && n <= b.MTU() {
		b.ch.Send(b.feedPDU)
	}
}

// SetFeed sets the feed, whose PDUs are sent as the channel has room. Must run on the
// loop.
func (b *Bearer) SetFeed(f Feed) { b.feed = f }

// DrainFeed sends PDUs of the feed while the channel has room. It must be called after
// the feed has got its first PDU. Must run on the loop.
func (b *Bearer) DrainFeed(now time.Time) {
	b.now = now
	b.sendWaiting(now)
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

// maxMismatches is the number of responses without a right answer between them
// that end the bearer, each of which could not answer the outstanding request.
// Peers send such responses late, twice, or to a command; a peer that sends many
// cannot be understood.
const maxMismatches = 16

// handleResponse handles the answer to the outstanding request; r is behind the
// opcode.
//
// A response on an enhanced bearer that cannot answer the request there ends all
// enhanced bearers, as does one on the unenhanced bearer that can answer a request
// on an enhanced one alone. Otherwise:
//
//	op                      outstanding request   effect
//	any                     none                  dropped
//	its response            any                   the request is answered
//	  longer than this side accepts               RuleLength
//	another response        any                   dropped; the 16th: RuleResponse
//	Error Response
//	  for another request   any                   dropped; the 16th: RuleErrorRequest
//	  malformed             any                   the request fails: MalformedError
//	  for a foreign handle  any                   the request is answered; logged
//	  else                  any                   the request is answered
//
// The specification lets a client close the link for any of them. It need not:
// a response that cannot answer the request cannot be taken for its answer
// either.
func (b *Bearer) handleResponse(now time.Time, op Opcode, r *wire.Reader, tooLong bool) {
	t := b.requests.out
	named := Opcode(0)
	if op == OpErrorRsp {
		peek := *r
		named = Opcode(peek.U8())
	}
	if t == nil {
		if b.checkStray(now, op, named) {
			return
		}
		// This is no late answer to a canceled request, which stays outstanding.
		b.logDropped(op, "no request is outstanding")
		return
	}
	var body []byte
	var err error
	switch op {
	case OpErrorRsp:
		if named != t.op() {
			b.dropMismatch(now, &ProtocolError{Rule: RuleErrorRequest, Got: op, Pending: t.op()}, named)
			return
		}
		err = b.readRefusal(r, t)
	case t.want:
		if tooLong {
			b.failBearer(now, &ProtocolError{Rule: RuleLength, Got: op, Pending: t.op()})
			return
		}
		body = slices.Clone(r.Rest())
	default:
		b.dropMismatch(now, &ProtocolError{Rule: RuleResponse, Got: op, Pending: t.op()}, named)
		return
	}
	b.mismatches = 0
	if op := t.op(); op == OpExchangeMTUReq {
		b.handleMTURsp(t, body)
	}
	if b.group != nil && b.primary == nil {
		b.group.proveCommands()
	}
	b.requests.takeOutstanding(now).deliverResult(now, body, err)
	b.sendNext(now, &b.requests)
}

// dropMismatch drops a response that cannot answer the outstanding request. The
// last one of maxMismatches ends the bearer with broken.
func (b *Bearer) dropMismatch(now time.Time, broken *ProtocolError, named Opcode) {
	if b.checkStray(now, broken.Got, named) {
		return
	}
	b.mismatches++
	if b.mismatches < maxMismatches {
		b.logDropped(broken.Got, broken.Rule.String())
		return
	}
	broken.Detail = fmt.Sprintf("%d responses without a right one between them", maxMismatches)
	b.failBearer(now, broken)
}

// readRefusal returns the error of an Error Response to t. A handle that t does
// not name changes nothing: some peers put in 0xffff, or that of their own
// choice.
func (b *Bearer) readRefusal(r *wire.Reader, t *transaction) error {
	p, err := readErrorRsp(r)
	if err != nil {
		return &MalformedError{Op: OpErrorRsp, Err: err}
	}
	if p.Handle != HandleNone && !names(t.pdu, p.Handle) && b.log != nil {
		b.log.Debug("attribute error names a foreign handle", "op", t.op(), "handle", p.Handle)
	}
	return p.Err()
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
		if b.checkStray(now, OpHandleValueConfirmation, 0) {
			return
		}
		b.logDropped(OpHandleValueConfirmation, "no indication is outstanding")
		return
	}
	b.indications.takeOutstanding(now).deliverResult(now, nil, nil)
	b.sendNext(now, &b.indications)
}
