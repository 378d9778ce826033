package att

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// group shares the transactions of one link among its bearers. It exists once the
// link has had an enhanced bearer, and belongs to the loop.
//
// Requests wait in the queue of the unenhanced bearer, and go to the first idle
// bearer that may send them. That keeps the order of any two that touch the same
// attribute if one of them writes: the later one waits for the answer to the
// earlier one. Commands have no answer, so they all go on the unenhanced bearer,
// and what they have written is read there until a later answer on that bearer
// shows that the peer has carried them out. Indications are spread likewise.
type group struct {
	primary  *Bearer
	enhanced []*Bearer

	busy, again bool // dispatch is running; it is to look again

	// Commands that no answer on the unenhanced bearer proves yet.
	sent     uint64 // the number of commands so far
	asked    uint64 // those before the outstanding request of the unenhanced bearer
	unproven []sentCommand
	all      uint64 // if not 0, those up to this one count for every attribute
}

// sentCommand is a command of which no answer proves that it was carried out.
type sentCommand struct {
	handle Handle
	number uint64
}

const (
	// maxUnproven is the number of attributes with such commands that are told
	// apart.
	maxUnproven = 16
	// maxOvertaken is the number of waiting requests that a later one may overtake.
	maxOvertaken = 32
)

// newGroup returns the group of a bearer. The attributes of commands that it has
// sent before are not known.
func newGroup(b *Bearer) *group {
	g := &group{primary: b}
	if b.commanded {
		g.sent, g.all = 1, 1
	}
	return g
}

// setEnhanced replaces the list of enhanced bearers, which other goroutines read.
func (g *group) setEnhanced(list []*Bearer) {
	g.enhanced = list
	g.primary.shared.Store(&list)
}

// admit uses a bearer for requests.
func (g *group) admit(e *Bearer) {
	if e.down {
		return
	}
	e.proven.Store(true)
	if least, mtu := &g.primary.leastEnhanced, int32(e.MTU()); least.Load() == 0 || mtu < least.Load() {
		least.Store(mtu)
	}
	g.logTrial(e)
}

// dispatch sends what idle bearers can.
func (g *group) dispatch(now time.Time) {
	if g.again = true; g.busy {
		return
	}
	g.busy = true
	for g.again && !g.primary.down {
		g.again = false
		g.sendIdle(now, g.primary)
		for _, e := range g.enhanced {
			g.sendIdle(now, e)
		}
		g.primary.sendPaced(now)
	}
	g.busy = false
	g.primary.setDeadline()
	for _, e := range g.enhanced {
		e.setDeadline()
	}
}

// sendIdle sends what bearer x can, of requests and of indications.
func (g *group) sendIdle(now time.Time, x *Bearer) {
	for _, kind := range [...]Kind{KindRequest, KindIndication} {
		l := x.laneOf(kind)
		for !x.down && l.out == nil {
			t := g.takeNext(now, x, kind)
			if t == nil {
				break
			}
			if err := g.primary.checkTransaction(t); err != nil {
				g.again = true
				t.deliverResult(now, nil, err)
				continue
			}
			if kind == KindRequest && x == g.primary {
				g.asked = g.sent
			}
			l.out, l.deadline = t, now.Add(t.patience())
			l.noteSent(now)
			x.ch.Send(t.pdu)
		}
	}
}

// takeNext removes and returns the first transaction that bearer x may send now;
// nil if there is none.
func (g *group) takeNext(now time.Time, x *Bearer, kind Kind) *transaction {
	if kind == KindRequest && g.inTrial() {
		return nil
	}
	q := &g.primary.laneOf(kind).waiting
	var passed [maxOvertaken]span
	n := 0
	var before *transaction
	for t := q.first; t != nil && n < len(passed); {
		next := t.next
		if t.isAbandoned() {
			q.unlinkAfter(before)
			t.deliverResult(now, nil, errNeverSent)
			t = next
			continue
		}
		if t.alone { // nothing overtakes it
			if n == 0 && t.only == x && g.isIdle() {
				return q.unlinkAfter(before)
			}
			return nil
		}
		s := spanOf(t.pdu)
		if g.maySend(x, kind, t, s) && !slices.ContainsFunc(passed[:n], s.conflicts) {
			return q.unlinkAfter(before)
		}
		passed[n] = s
		n++
		before, t = t, next
	}
	return nil
}

// maySend reports whether bearer x may send t, which touches s, before the answers
// that are outstanding on other bearers.
func (g *group) maySend(x *Bearer, kind Kind, t *transaction, s span) bool {
	if t.only != nil && t.only != x {
		return false
	}
	if x != g.primary {
		mtu := min(x.MTU(), g.primary.MTU())
		if len(t.pdu) > mtu || isOnly(t.op()) || kind == KindRequest && (!x.proven.Load() || g.isUnproven(s)) || !x.ch.Room() {
			return false
		}
	}
	if kind == KindRequest && g.primary.paced.conflictsBefore(t.seq, s) {
		return false
	}
	conflicts := func(y *Bearer) bool {
		out := y.laneOf(kind).out
		return y != x && out != nil && spanOf(out.pdu).conflicts(s)
	}
	return !conflicts(g.primary) && !slices.ContainsFunc(g.enhanced, conflicts)
}

// holdsBack reports whether a command must wait for an answer on an enhanced
// bearer, or for a request that waits.
func (g *group) holdsBack(t *transaction) bool {
	s := spanOf(t.pdu)
	if !s.writes {
		return false
	}
	return g.primary.requests.waiting.conflictsBefore(t.seq, s) || slices.ContainsFunc(g.enhanced, func(e *Bearer) bool {
		return e.requests.out != nil && spanOf(e.requests.out.pdu).conflicts(s)
	})
}

// noteCommand notes that a command is sent.
func (g *group) noteCommand(pdu []byte) {
	r := wire.NewReader(pdu)
	if op := Opcode(r.U8()); op != OpWriteCmd && op != OpSignedWriteCmd {
		return
	}
	h := Handle(r.U16())
	g.sent++
	i := slices.IndexFunc(g.unproven, func(c sentCommand) bool { return c.handle == h })
	switch {
	case i >= 0:
		g.unproven[i].number = g.sent
	case len(g.unproven) < maxUnproven:
		g.unproven = append(g.unproven, sentCommand{h, g.sent})
	default:
		g.all, g.unproven = g.sent, g.unproven[:0]
	}
}

// proveCommands notes that the peer has answered on the unenhanced bearer.
func (g *group) proveCommands() {
	g.unproven = slices.DeleteFunc(g.unproven, func(c sentCommand) bool { return c.number <= g.asked })
	if g.all <= g.asked {
		g.all = 0
	}
}

// isUnproven reports whether a command has touched the attributes of s that no
// answer proves.
func (g *group) isUnproven(s span) bool {
	return s.r.Valid() && (g.all > 0 || slices.ContainsFunc(g.unproven, func(c sentCommand) bool { return s.r.Contains(c.handle) }))
}

// isIdle reports whether no request is outstanding.
func (g *group) isIdle() bool {
	return g.primary.requests.out == nil && !slices.ContainsFunc(g.enhanced, func(e *Bearer) bool { return e.requests.out != nil })
}

// inTrial reports whether a request is outstanding beside which no other one may
// be.
func (g *group) inTrial() bool {
	return slices.ContainsFunc(g.enhanced, func(e *Bearer) bool { return e.requests.out != nil && e.requests.out.alone })
}

func (b *Bearer) laneOf(kind Kind) *lane {
	if kind == KindIndication {
		return &b.indications
	}
	return &b.requests
}

// patience returns the time that the peer has for the answer.
func (t *transaction) patience() time.Duration {
	if t.alone {
		return trialTimeout
	}
	return transactionTimeout
}

// conflictsBefore reports whether a transaction that was queued before number seq
// conflicts with s.
func (q *fifo) conflictsBefore(seq uint64, s span) bool {
	for t := q.first; t != nil; t = t.next {
		if t.seq < seq && !t.isAbandoned() && spanOf(t.pdu).conflicts(s) {
			return true
		}
	}
	return false
}

// unlinkAfter removes and returns the transaction behind before, the first one if
// that is nil.
func (q *fifo) unlinkAfter(before *transaction) *transaction {
	if before == nil {
		return q.unlinkFirst()
	}
	t := before.next
	before.next, t.next = t.next, nil
	if q.last == t {
		q.last = before
	}
	q.n--
	return t
}

// linkFirst puts a transaction back.
func (q *fifo) linkFirst(t *transaction) {
	if t.next = q.first; q.last == nil {
		q.last = t
	}
	q.first = t
	q.n++
}

// removeAll removes and returns the transactions that match.
func (q *fifo) removeAll(match func(*transaction) bool) (removed []*transaction) {
	var before *transaction
	for t := q.first; t != nil; {
		next := t.next
		if match(t) {
			removed = append(removed, q.unlinkAfter(before))
		} else {
			before = t
		}
		t = next
	}
	return removed
}
