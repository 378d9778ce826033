package att

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// EnhancedChannel is the channel of an enhanced bearer, an L2CAP channel of the
// enhanced credit-based mode. Its Close ends the channel alone, not the link.
type EnhancedChannel interface {
	Channel
	// MTU returns the longest PDU that both sides accept, in octets, at least 64.
	// It may grow. Any goroutine may call it.
	MTU() int
}

// ErrBearerLost means that the enhanced bearer of a request or an indication has
// ended before the answer. Whether the peer has acted on it is not known. Requests
// that change nothing are sent again on another bearer instead.
var ErrBearerLost = errors.New("att: enhanced bearer lost before the answer")

// ErrWrongBearer means that the peer has answered on another bearer than that of
// the request. All enhanced bearers of the link have ended with it.
var ErrWrongBearer = errors.New("att: peer answered on another bearer than that of the request")

// trialTimeout is the time that the peer has for the first answer on an enhanced
// bearer. All other requests wait for it.
const trialTimeout = 10 * time.Second

// AddEnhanced adds an enhanced bearer to the unenhanced bearer b of the link (Vol
// 3, Part F, 3.2.11). The peer's requests and values on it go to the handlers of
// b. Indications are spread over all bearers from then on, and the requests of b
// over those that [Bearer.ProveEnhanced] has proved. Commands, notifications,
// prepared writes and the exchange of the MTU stay on b. ch must pass its frames
// to the result. Must run on the loop.
func (b *Bearer) AddEnhanced(now time.Time, ch EnhancedChannel) *Bearer {
	if b.group == nil {
		b.group = newGroup(b)
	}
	e := &Bearer{
		ch: ch, enhanced: ch, rxMTU: MaxMTU, log: b.log, group: b.group, primary: b,
		in: incoming{handler: b.in.handler}, scratch: make([]byte, 0, 8), now: now,
	}
	b.group.setEnhanced(append(slices.Clone(b.group.enhanced), e))
	return e
}

// EnhancedBearers returns the number of enhanced bearers that carry requests. Any
// goroutine may call it.
func (b *Bearer) EnhancedBearers() (n int) {
	for _, e := range b.others() {
		if e.proven.Load() {
			n++
		}
	}
	return n
}

// AllEnhanced returns the number of enhanced bearers of the link, proved or not.
// Any goroutine may call it.
func (b *Bearer) AllEnhanced() int { return len(b.others()) }

// others returns the enhanced bearers of the link. Any goroutine may call it.
func (b *Bearer) others() []*Bearer {
	if p := b.shared.Load(); p != nil {
		return *p
	}
	return nil
}

// EnhancedFailed returns a channel that is closed when the peer has broken a rule
// of enhanced bearers, after which the link has none. Any goroutine may call it.
func (b *Bearer) EnhancedFailed() <-chan struct{} { return b.groupFailed }

// EnhancedErr returns the rule that the peer has broken; nil if it has not. Any
// goroutine may call it.
func (b *Bearer) EnhancedErr() error {
	if p := b.groupErr.Load(); p != nil {
		return *p
	}
	return nil
}

// ProveEnhanced tries each enhanced bearer that is new, and uses it for requests
// from then on. It reads the attribute h there, while no other request is
// outstanding: so a peer that answers on the wrong bearer is recognized, and no
// answer is taken for another one's. The peer has 10 seconds. The error is that of
// the trial; a peer that fails it loses all enhanced bearers. ProveEnhanced must not
// be called on the loop.
func (b *Bearer) ProveEnhanced(ctx context.Context, h Handle) error {
	for _, e := range b.others() {
		if e.proven.Load() {
			continue
		}
		t := b.newTransaction(KindRequest)
		t.only, t.alone, t.want = e, true, OpReadRsp
		t.pdu = ReadReq{Handle: h}.AppendPDU(t.pdu[:0])
		t.then = func(_ time.Time, err error) {
			if _, refused := errors.AsType[*Error](err); err == nil || refused {
				b.group.admit(e)
			}
		}
		err := t.sendAndWait(ctx)
		if _, refused := errors.AsType[*Error](err); err != nil && !refused {
			return err
		}
	}
	return nil
}

// isOnly reports whether a request may be sent on the unenhanced bearer alone.
func isOnly(op Opcode) bool {
	switch op {
	case OpExchangeMTUReq, OpPrepareWriteReq, OpExecuteWriteReq:
		return true
	default:
		return false
	}
}

// span is the range of attributes whose values a PDU reads or writes; none if it
// touches no values.
type span struct {
	r      HandleRange
	writes bool
}

// conflicts reports whether two PDUs must keep their order.
func (s span) conflicts(o span) bool {
	return (s.writes || o.writes) && s.r.Valid() && o.r.Valid() && s.r.Start <= o.r.End && o.r.Start <= s.r.End
}

// spanOf returns what a request, a command or an indication touches.
func spanOf(pdu []byte) span {
	r := wire.NewReader(pdu)
	op := Opcode(r.U8())
	switch op {
	case OpReadReq, OpReadBlobReq:
		h := Handle(r.U16())
		return span{HandleRange{h, h}, false}
	case OpWriteReq, OpPrepareWriteReq, OpWriteCmd, OpSignedWriteCmd, OpHandleValueIndication:
		h := Handle(r.U16())
		return span{HandleRange{h, h}, true}
	case OpExecuteWriteReq:
		return span{HandleRange{HandleMin, HandleMax}, true}
	case OpReadMultipleReq, OpReadMultipleVariableReq:
		all := HandleRange{Start: HandleMax}
		for r.Len() > 0 {
			h := Handle(r.U16())
			all.Start, all.End = min(all.Start, h), max(all.End, h)
		}
		return span{all, false}
	case OpReadByTypeReq, OpFindByTypeValueReq:
		return span{HandleRange{Handle(r.U16()), Handle(r.U16())}, false}
	default:
		return span{}
	}
}

// failEnhanced ends all enhanced bearers of the link because of the peer.
func (g *group) failEnhanced(now time.Time, cause error) {
	b := g.primary
	if b.EnhancedErr() == nil {
		b.groupErr.Store(&cause)
		close(b.groupFailed)
		if b.log != nil && b.log.Enabled(context.Background(), levelLink) {
			b.log.Log(context.Background(), levelLink, "enhanced attribute bearers failed", "error", cause)
		}
	}
	was := g.busy
	g.busy = true // until all have ended
	for _, e := range slices.Clone(g.enhanced) {
		e.endBearer(now, &closedError{cause: cause, own: true})
	}
	g.busy = was
	g.dispatch(now)
}

// endEnhanced ends the use of an enhanced bearer that is down. What it had to do
// goes on elsewhere if that changes nothing at the peer.
func (g *group) endEnhanced(now time.Time, e *Bearer, err *closedError) {
	g.setEnhanced(slices.DeleteFunc(slices.Clone(g.enhanced), func(x *Bearer) bool { return x == e }))
	e.proven.Store(false)
	waiting := &g.primary.requests.waiting
	lost := lostError(err.cause)
	if g.primary.down {
		lost = err
	}
	for _, t := range waiting.removeAll(func(t *transaction) bool { return t.only == e }) {
		t.deliverResult(now, nil, lost)
	}
	if t := e.requests.takeOutstanding(now); t != nil {
		if t.only == e || g.primary.down || spanOf(t.pdu).writes || errors.Is(lost, ErrTransactionTimeout) {
			t.deliverResult(now, nil, lost)
		} else {
			waiting.linkFirst(t)
		}
	}
	if t := e.indications.takeOutstanding(now); t != nil {
		t.deliverResult(now, nil, lost)
	}
	g.dispatch(now)
}

// lostError returns the error of what had no answer on an enhanced bearer that has
// ended because of cause. It does not wrap net.ErrClosed, since the link goes on.
func lostError(cause error) error {
	switch {
	case errors.Is(cause, ErrTransactionTimeout):
		return cause
	case cause == nil:
		return ErrBearerLost
	case errors.Is(cause, net.ErrClosed):
		return fmt.Errorf("%w: %s", ErrBearerLost, cause.Error())
	}
	return fmt.Errorf("%w: %w", ErrBearerLost, cause)
}

// isStray reports whether a PDU with opcode op, which answers nothing on bearer b,
// is the answer to what is outstanding on another bearer; or may be, since no
// enhanced bearer gets an answer without a question.
func (g *group) isStray(b *Bearer, op Opcode, named Opcode) bool {
	if b.primary != nil {
		return true
	}
	return slices.ContainsFunc(g.enhanced, func(e *Bearer) bool {
		out := e.requests.out
		if op == OpHandleValueConfirmation {
			return e.indications.out != nil
		}
		return out != nil && (op == out.want || op == OpErrorRsp && named == out.op())
	})
}

// checkStray ends the enhanced bearers if a PDU of the peer is a stray answer, and
// reports whether it was.
func (b *Bearer) checkStray(now time.Time, op, named Opcode) bool {
	g := b.group
	if g == nil || !g.isStray(b, op, named) {
		return false
	}
	g.failEnhanced(now, fmt.Errorf("%w: %s", ErrWrongBearer, op))
	return true
}

// logTrial logs the begin of the use of a bearer.
func (g *group) logTrial(e *Bearer) {
	if l := g.primary.log; l != nil && l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("enhanced attribute bearer in use", "mtu", e.MTU(), "bearers", g.primary.EnhancedBearers())
	}
}
