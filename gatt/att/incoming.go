package att

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/flood"
	"github.com/moor-ble/moor/internal/wire"
)

// maxBacklog is the number of requests of the peer that may wait for an earlier
// one to be answered, and of indications that may wait for the confirmation of an
// earlier one. The specification allows none. Peers that send a second one early
// exist; peers that send six are broken.
const maxBacklog = 4

// incoming is the state of the peer's requests. It belongs to the loop.
type incoming struct {
	handler RequestHandler // nil: none
	owed    bool           // a request waits for Reply
	serving Opcode         // the opcode of that request, possibly unknown
	backlog [][]byte       // further requests, in order
	early   [][]byte       // further indications, in order
	drains  bool           // serveBacklog is running
	flood   flood.Counter  // of requests and indications
}

// handleRequest handles a request of the peer, or a PDU with an unknown opcode.
func (b *Bearer) handleRequest(now time.Time, pdu []byte) {
	in := &b.in
	if !in.flood.Admit(b.ch.Room()) {
		r := wire.NewReader(pdu)
		b.failBearer(now, &ProtocolError{Rule: RuleSequentialRequests, Got: Opcode(r.U8()), Detail: "it takes no answers"})
		return
	}
	if !in.owed && len(in.backlog) == 0 {
		b.serveRequest(now, pdu)
		return
	}
	if len(in.backlog) == maxBacklog {
		r := wire.NewReader(pdu)
		b.failBearer(now, &ProtocolError{Rule: RuleSequentialRequests, Got: Opcode(r.U8())})
		return
	}
	in.backlog = append(in.backlog, slices.Clone(pdu))
}

// serveRequest answers one request or passes it to the handler.
func (b *Bearer) serveRequest(now time.Time, pdu []byte) {
	r := wire.NewReader(pdu)
	op := Opcode(r.U8())
	b.in.owed, b.in.serving = true, op
	switch {
	case len(pdu) > b.MTU():
		b.refuseRequest(CodeInvalidPDU)
	case op == OpExchangeMTUReq && b.primary == nil:
		b.handleMTUReq(&r)
	case op == OpExchangeMTUReq: // an enhanced bearer has the MTU of its channel
		b.refuseRequest(CodeRequestNotSupported)
	case b.in.handler == nil || op.Kind() != KindRequest:
		b.refuseRequest(CodeRequestNotSupported)
	default:
		b.in.handler.Request(now, b, pdu)
	}
}

// refuseRequest answers the request with an error that names no attribute.
func (b *Bearer) refuseRequest(c Code) {
	b.Reply(ErrorRsp{Request: b.in.serving, Code: c}.AppendPDU(b.scratch[:0]))
}

// Reply answers the request that was last passed to the RequestHandler. pdu is
// the response or an ErrorRsp, at most the MTU long, and is copied. If the peer
// has sent another request already, it is passed to the handler before Reply
// returns. Without a request, Reply does nothing. Must run on the loop.
func (b *Bearer) Reply(pdu []byte) {
	if b.down || !b.in.owed {
		return
	}
	b.ch.Send(pdu)
	b.in.owed = false
	b.serveBacklog()
}

// serveBacklog serves queued requests until one is not answered at once.
func (b *Bearer) serveBacklog() {
	in := &b.in
	if in.drains {
		return
	}
	in.drains = true
	for !b.down && !in.owed && len(in.backlog) > 0 {
		pdu := in.backlog[0]
		in.backlog = slices.Delete(in.backlog, 0, 1)
		b.serveRequest(b.now, pdu)
	}
	in.drains = false
}

// handleCommand handles a command of the peer. Unknown commands are ignored (Vol
// 3, Part F, 3.3.1).
func (b *Bearer) handleCommand(now time.Time, op Opcode, pdu []byte, tooLong bool) {
	switch {
	case tooLong:
		b.logDropped(op, "longer than what can be received")
	case b.in.handler == nil || op != OpWriteCmd && op != OpSignedWriteCmd:
		b.logDropped(op, "not supported")
	default:
		b.in.handler.Command(now, b, pdu)
	}
}
