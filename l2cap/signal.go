package l2cap

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/flood"
	"github.com/moor-ble/moor/internal/wire"
)

const (
	// signalMTU is the longest signaling frame that this side accepts, the
	// minimum for LE (Vol 3, Part A, 4). Every command fits.
	signalMTU = 23
	// rtx is the time that the peer has for an answer. The specification fixes
	// 30 s for connection parameters (TGAP(conn_param_timeout), Vol 3, Part C,
	// appendix A) and allows 1 s to 60 s for all other commands (RTX, Vol 3,
	// Part A, 6.2.1).
	rtx = 30 * time.Second
	// ertx is the time for an answer that the peer has announced, 60 s to 300 s.
	ertx = 60 * time.Second
)

// signaler is the LE signaling channel of a link. It belongs to the loop.
//
//	received                               | effect
//	---------------------------------------|------------------------------
//	valid request                          | answered by its handler
//	response to a pending request          | completes the request
//	other response                         | ignored
//	identifier 0                           | ignored: no answer is possible
//	frame longer than the signaling MTU    | Command Reject 0x0001, if it
//	                                       |  holds a request
//	several commands, wrong lengths,       | Command Reject 0x0000, if it
//	unknown code, request for the other role|  holds a request
//	unknown channel                        | Command Reject 0x0002
type signaler struct {
	m       *Mux
	buf     []byte
	lastID  uint8
	pending []request
	flood   flood.Counter // of commands to be answered
}

// request is a command of this side that awaits its answer.
type request struct {
	id       uint8
	sent     Code
	deadline time.Time
	extended bool // the peer has announced its answer
	done     func(now time.Time, answer signal, err error)
}

// answeredBy reports whether a command of code c answers the request. The code
// of every response follows that of its request.
func (q *request) answeredBy(c Code) bool { return c == codeCommandReject || c == q.sent+1 }

// handleFrame handles the payload of a frame on the signaling channel.
func (s *signaler) handleFrame(now time.Time, b []byte) {
	id, sig, err := parseSignal(b)
	switch {
	case err != nil:
		s.handleMalformed(now, b, id, err)
	case id == 0:
		s.ignoreCommand("identifier 0", sig.Code())
	case sig.Code().isResponse():
		s.handleResponse(now, id, sig)
	case !s.admitAnswer():
		s.ignoreCommand("too many unsent answers", sig.Code())
	default:
		s.handleCommand(now, id, sig)
	}
}

func (s *signaler) handleCommand(now time.Time, id uint8, sig signal) {
	switch sig := sig.(type) {
	case disconnectionReq:
		s.m.coc.handleDisconnectReq(now, id, sig)
	case connectionParameterUpdateReq:
		s.m.params.handleUpdateReq(now, id, sig)
	case leCreditBasedConnectionReq:
		s.m.coc.handleConnectReq(now, id, sig)
	case flowControlCreditInd:
		s.m.coc.handleCreditInd(now, id, sig)
	case creditBasedConnectionReq:
		s.m.coc.handleEnhancedReq(now, id, sig)
	case creditBasedReconfigureReq:
		s.m.coc.handleReconfigureReq(id, sig)
	default:
		s.rejectCommand(id, sig.Code(), commandReject{Reason: RejectNotUnderstood})
	}
}

// handleOversized answers a frame longer than the signaling MTU; b is the part
// of it that has arrived.
func (s *signaler) handleOversized(b []byte) {
	if id, code, ok := firstRequest(b); ok && s.admitAnswer() {
		s.rejectCommand(id, code, commandReject{Reason: RejectMTUExceeded, MTU: signalMTU})
	}
}

// handleMalformed answers a frame that is not exactly one command. A frame with
// several commands is treated like one that is too long (4.1): Command Reject
// answers the first request in it; a frame of responses alone is not answered.
func (s *signaler) handleMalformed(now time.Time, b []byte, id uint8, err error) {
	if id, code, ok := firstRequest(b); ok {
		if s.admitAnswer() {
			s.rejectCommand(id, code, commandReject{Reason: RejectNotUnderstood})
		}
		return
	}
	r := wire.NewReader(b)
	code := Code(r.U8())
	if i := s.findPending(id, code); i >= 0 {
		s.finishPending(now, i, nil, err)
		return
	}
	s.ignoreCommand("malformed", code)
}

// firstRequest returns the first command of a frame that may be answered.
func firstRequest(b []byte) (id uint8, code Code, ok bool) {
	for r := wire.NewReader(b); r.Len() >= 2; r.Skip(int(r.U16())) {
		code, id = Code(r.U8()), r.U8()
		if !code.isResponse() && id != 0 {
			return id, code, true
		}
	}
	return 0, 0, false
}

func (s *signaler) handleResponse(now time.Time, id uint8, sig signal) {
	i := s.findPending(id, sig.Code())
	if i < 0 {
		s.ignoreCommand("no request is pending", sig.Code())
		return
	}
	if rej, ok := sig.(commandReject); ok {
		s.finishPending(now, i, nil, &RejectError{Command: s.pending[i].sent, Reason: rej.Reason})
		return
	}
	if rsp, ok := sig.(creditBasedConnectionRsp); ok && rsp.Result.isPending() {
		s.extendPending(now, i)
		return
	}
	s.finishPending(now, i, sig, nil)
}

// extendPending gives the peer more time for an answer that it has announced, once
// (RTX and ERTX, 6.2.1 and 6.2.2).
func (s *signaler) extendPending(now time.Time, i int) {
	if q := &s.pending[i]; !q.extended {
		q.extended, q.deadline = true, now.Add(ertx)
		s.m.rearm()
	}
}

// findPending returns the index of the pending request that a command with this
// identifier and code answers, or -1.
func (s *signaler) findPending(id uint8, code Code) int {
	return slices.IndexFunc(s.pending, func(q request) bool {
		return q.id == id && q.answeredBy(code)
	})
}

func (s *signaler) finishPending(now time.Time, i int, answer signal, err error) {
	q := s.pending[i]
	s.pending = slices.Delete(s.pending, i, i+1)
	q.done(now, answer, err)
	s.m.rearm()
}

// sendRequest sends a command of this side. It calls done on the loop with the
// answer, a *RejectError, a *SignalError, a *TimeoutError or the end of the
// link.
func (s *signaler) sendRequest(now time.Time, sig signal, done func(now time.Time, answer signal, err error)) {
	id := s.nextID()
	s.pending = append(s.pending, request{id: id, sent: sig.Code(), deadline: now.Add(rtx), done: done})
	s.sendCommand(id, sig)
	s.m.rearm()
}

// sendIndication sends a command that is not answered.
func (s *signaler) sendIndication(sig signal) { s.sendCommand(s.nextID(), sig) }

// nextID returns an identifier that no pending request uses. There always is
// one: at most one request for parameters and one for each of 64 channels are
// pending.
func (s *signaler) nextID() uint8 {
	for {
		s.lastID++
		if s.lastID != 0 && !slices.ContainsFunc(s.pending, func(q request) bool { return q.id == s.lastID }) {
			return s.lastID
		}
	}
}

func (s *signaler) sendCommand(id uint8, sig signal) {
	s.buf = appendSignal(s.buf[:0], id, sig)
	s.m.out.sendFrame(cidSignal, nil, s.buf)
}

func (s *signaler) rejectCommand(id uint8, code Code, r commandReject) {
	s.m.counters.Rejected++
	s.m.debug("command rejected", "code", code, "reason", r.Reason)
	s.sendCommand(id, r)
}

// admitAnswer counts an answer and reports whether to send it; it is not sent to
// a peer that takes none.
func (s *signaler) admitAnswer() bool { return s.flood.Admit(s.m.link.Room()) }

func (s *signaler) ignoreCommand(why string, code Code) {
	s.m.counters.Ignored++
	s.m.debug("command ignored", "code", code, "why", why)
}

func (s *signaler) expirePending(now time.Time) {
	for {
		i := slices.IndexFunc(s.pending, func(q request) bool { return !q.deadline.After(now) })
		if i < 0 {
			return
		}
		s.finishPending(now, i, nil, &TimeoutError{Command: s.pending[i].sent, After: rtx})
	}
}

// deadline returns when to call expirePending; zero means never.
func (s *signaler) deadline() time.Time {
	var t time.Time
	for _, q := range s.pending {
		t = earlier(t, q.deadline)
	}
	return t
}

func (s *signaler) failPending(now time.Time, err error) {
	for len(s.pending) > 0 {
		s.finishPending(now, 0, nil, err)
	}
}
