package gatt

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

// maxWaiting is the number of a client's commands that may wait for a handler or
// a Verifier. Further ones are dropped, which the specification allows (Vol 3,
// Part F, 3.3.2).
const maxWaiting = 32

// PeerInfo describes the peer of a link.
type PeerInfo struct {
	// Key identifies a bonded peer in the server's memory, by its identity
	// address. A peer that bonds later gets its key from Session.BondMade.
	Key string
	// Bonded reports that the peer was bonded when the link came up.
	Bonded bool
	// Enhanced reports that the link accepts enhanced bearers, which the server then
	// states in Server Supported Features.
	Enhanced bool
	// Security returns the current protection of the link. It is called on the
	// loop and must not wait. Nil means an unencrypted link to a peer that is
	// bonded if Bonded is set.
	Security func() Security
	// Verify verifies the peer's signatures. Nil means that the peer has no
	// signing key: its signed commands are dropped.
	Verify Verifier
}

// Session is the server's side of one link. It implements att.RequestHandler and
// holds the server's knowledge of the client. It belongs to the link's loop,
// except for methods that say otherwise.
type Session struct {
	srv *Server

	peer      atomic.Pointer[PeerInfo] // replaced under the server's mutex
	forgotten atomic.Bool              // likewise: the server must not remember the client
	dropped   atomic.Uint64            // commands without an effect

	ctx    context.Context // of handlers; ends with the link
	cancel context.CancelCauseFunc

	published  atomic.Pointer[published]    // for senders of values
	conditions atomic.Pointer[[]*condition] // of the values that are notified
	out        outbox                       // values of Server.Notify

	// All below belongs to the loop.
	b       *att.Bearer // the unenhanced one; set once, before the session is in Server.sessions
	down    bool
	inboxes []*inbox // one for each bearer with requests or commands

	t *table // the table that answers come from

	client knownClient

	toldInsecure bool // a value withheld for lack of protection has been logged

	scratch []byte
}

// NewSession returns the session for a new link. Pass it to the link's bearers as
// att.Config.Requests, and then the bearer to Bind. Any goroutine may call it.
func (s *Server) NewSession(peer PeerInfo) *Session {
	n := &Session{srv: s, scratch: make([]byte, 0, att.MaxMTU)}
	n.peer.Store(&peer)
	n.out.s = n
	n.ctx, n.cancel = context.WithCancelCause(s.ctx)
	n.published.Store(&published{})
	return n
}

// Peer returns the description of the client. Any goroutine may call it.
func (s *Session) Peer() PeerInfo { return *s.peer.Load() }

// Dropped returns the number of the client's commands that had no effect: the
// attribute does not exist, does not allow the command, or refused it; the
// signature is invalid; or too many commands were queued. Any goroutine may call
// it.
func (s *Session) Dropped() uint64 { return s.dropped.Load() }

// Bind sets the bearer of the session, so that the session can send values
// before the client's first request: to a bonded client that has subscribed in
// an earlier connection. Call it as soon as the bearer exists; otherwise the
// first request does. Must run on the loop.
func (s *Session) Bind(now time.Time, b *att.Bearer) {
	if s.b != nil || s.down {
		return
	}
	s.b = b
	b.SetFeed(&s.out)
	s.srv.mu.Lock()
	s.srv.sessions[s] = struct{}{}
	s.srv.mu.Unlock()
	// From here on, SetServices finds the session.
	s.t = s.srv.table.Load()
	s.recallClient()
	s.SecurityChanged(now)
	s.publish()
}

// Request implements att.RequestHandler.
func (s *Session) Request(now time.Time, b *att.Bearer, pdu []byte) { s.inboxOf(b).takePDU(now, pdu) }

// Command implements att.RequestHandler.
func (s *Session) Command(now time.Time, b *att.Bearer, pdu []byte) {
	// The link must be unencrypted when the command arrives, not when its turn
	// comes.
	if op := opcodeOf(pdu); op == att.OpSignedWriteCmd && s.linkSecurity().Encrypted {
		s.dropCommand(op, "signed, on an encrypted link")
		return
	}
	s.inboxOf(b).takePDU(now, pdu)
}

// Down implements att.RequestHandler.
func (s *Session) Down(_ time.Time, b *att.Bearer) {
	if s.b != nil && b != s.b {
		s.endInbox(b)
		return
	}
	if s.down {
		return
	}
	s.down = true
	s.cancel(b.Err())
	s.inboxes = nil
	s.srv.mu.Lock()
	delete(s.srv.sessions, s)
	s.srv.mu.Unlock()
	s.published.Store(&published{b: b})
	s.out.clearValues()
}

// takePDU handles a PDU, or queues it until all earlier PDUs have been handled:
// requests and commands have one order.
func (q *inbox) takePDU(now time.Time, pdu []byte) {
	q.s.Bind(now, q.b)
	if q.s.down {
		return
	}
	if q.busy || q.handling {
		if op := opcodeOf(pdu); op.Kind() == att.KindCommand && len(q.waiting) >= maxWaiting {
			q.s.dropCommand(op, "too many wait for a handler")
			return
		}
		q.waiting = append(q.waiting, slices.Clone(pdu))
		return
	}
	q.handling = true
	q.handlePDU(now, pdu)
	q.handleWaiting(now)
}

// handleWaiting handles queued PDUs until one needs a handler.
func (q *inbox) handleWaiting(now time.Time) {
	q.handling = true
	for !q.busy && !q.s.down && !q.down && len(q.waiting) > 0 {
		pdu := q.waiting[0]
		q.waiting = slices.Delete(q.waiting, 0, 1)
		q.handlePDU(now, pdu)
	}
	q.handling = false
}

// handlePDU answers one PDU or starts a handler for it.
func (q *inbox) handlePDU(now time.Time, pdu []byte) {
	q.s.adoptTable(now)
	q.s.SecurityChanged(now)
	p, err := att.Parse(pdu)
	op := opcodeOf(pdu)
	switch {
	case op.Kind() == att.KindCommand:
		switch cmd := p.(type) {
		case att.WriteCmd:
			q.handleWriteCommand(now, cmd)
		case att.SignedWriteCmd:
			q.handleSignedWrite(cmd, pdu)
		default:
			q.s.dropCommand(op, "malformed")
		}
	case errors.Is(err, att.ErrUnknownOpcode):
		q.refuseRequest(op, att.HandleNone, att.CodeRequestNotSupported)
	case err != nil:
		q.refuseRequest(op, att.HandleNone, att.CodeInvalidPDU)
	default:
		q.handleRequest(now, p, pdu)
	}
}

// handleRequest answers a well-formed request.
func (q *inbox) handleRequest(now time.Time, p att.PDU, pdu []byte) {
	if h, ok := q.admitRequest(p); !ok {
		q.refuseRequest(p.Opcode(), h, att.CodeDatabaseOutOfSync)
		return
	}
	switch p := p.(type) {
	case att.WriteReq:
		q.handleWrite(now, p)
	case att.PrepareWriteReq:
		q.handlePrepare(p)
	case att.ExecuteWriteReq:
		q.handleExecute(now, p)
	default:
		q.answerRead(p, pdu)
	}
}

// answerRead answers a request that changes nothing.
func (q *inbox) answerRead(p att.PDU, pdu []byte) {
	v := q.view()
	if !v.needsHandler(p) {
		q.b.Reply(v.appendResponse(q.s.ctx, q.s.scratch[:0], p))
		return
	}
	p, err := att.Parse(slices.Clone(pdu)) // pdu is not kept, the handler continues
	if err != nil {
		return // impossible: the same PDU was parsed before
	}
	ok := q.runHandler(func(ctx context.Context) func(time.Time) {
		rsp := v.appendResponse(ctx, nil, p)
		return func(time.Time) { q.b.Reply(rsp) }
	})
	if !ok {
		q.refuseRequest(p.Opcode(), att.HandleNone, att.CodeUnlikelyError)
	}
}

// refuseRequest answers a request with an error.
func (q *inbox) refuseRequest(op att.Opcode, h att.Handle, c att.Code) {
	q.b.Reply(att.ErrorRsp{Request: op, Handle: h, Code: c}.AppendPDU(q.s.scratch[:0]))
}

// runHandler runs work on a goroutine, where it may call the program, and then
// its result on the loop. The inbox queues PDUs until then. runHandler reports
// false if the server has been closed.
func (q *inbox) runHandler(work func(ctx context.Context) (then func(now time.Time))) bool {
	q.busy = q.s.srv.spawn(func() {
		then := work(q.s.ctx)
		q.s.b.Post(loop.Func(func(now time.Time) {
			if q.s.down || q.down {
				return
			}
			q.busy, q.handling = false, true
			then(now)
			q.handleWaiting(now)
		}))
	})
	return q.busy
}

// linkSecurity returns how the link is protected.
func (s *Session) linkSecurity() Security {
	peer := s.peer.Load()
	if peer.Security == nil {
		return Security{Bonded: peer.Bonded}
	}
	return peer.Security()
}

// dropCommand counts and logs a command without an effect.
func (s *Session) dropCommand(op att.Opcode, why string) {
	s.dropped.Add(1)
	if l := s.srv.cfg.Logger; l != nil && l.Enabled(s.ctx, slog.LevelDebug) {
		l.Debug("attribute PDU dropped", "op", op, "why", why)
	}
}

// codeOf returns the code that a client gets for a handler's error.
func codeOf(err error) att.Code {
	var c att.Code
	if errors.As(err, &c) && c != 0 {
		return c
	}
	return att.CodeUnlikelyError
}

// opcodeOf returns the opcode of a PDU, 0 for an empty one.
func opcodeOf(pdu []byte) att.Opcode {
	r := wire.NewReader(pdu)
	return att.Opcode(r.U8())
}
