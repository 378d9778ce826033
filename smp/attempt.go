package smp

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// attempt is what belongs to a pairing besides its state: its user, and the
// context of what that is asked.
type attempt struct {
	m        *Machine
	p        *pairing
	options  *PairOptions // nil if the peer began it
	delegate Delegate
	proven   bool // when it began
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

// errPaired is the cause of the context of a pairing that has succeeded.
var errPaired = errors.New("paired")

func newAttempt(m *Machine, p *pairing, o *PairOptions, d Delegate) *attempt {
	r := &attempt{m: m, p: p, options: o, delegate: d, proven: m.provenNow()}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	return r
}

// endAttempt ends the context, and with it the goroutine of ask.
func (r *attempt) endAttempt(err error) {
	if err == nil {
		err = errPaired
	}
	r.cancel(err)
}

// askDelegate has the delegate asked, on a goroutine that ends with the pairing. A
// pairing asks one question.
func (r *attempt) askDelegate(q question) {
	go func() {
		a := r.callDelegate(q)
		r.m.ch.Post(loop.Func(func(now time.Time) {
			if r.m.p == r.p {
				r.m.advancePairing(now, a)
			}
		}))
		<-r.ctx.Done()
		err := context.Cause(r.ctx)
		if errors.Is(err, errPaired) {
			err = nil
		}
		r.delegate.Ended(r.m.Peer(), err)
	}()
}

func (r *attempt) callDelegate(q question) (a answer) {
	peer := r.m.Peer()
	switch q.kind {
	case tellPasskey:
		a.err = r.delegate.Display(r.ctx, peer, q.passkey)
	case askEnter:
		a.passkey, a.err = r.delegate.Enter(r.ctx, peer)
	case askConfirm:
		yes, err := r.delegate.Confirm(r.ctx, peer, q.passkey)
		if a.err = err; err == nil && !yes {
			a.err = errRejected
		}
	}
	return a
}

// saveBond writes a new bond, on a goroutine of its own, and lets everybody know.
// The writing is not given up when the link goes down: the peer has the keys.
func (m *Machine) saveBond(b *Bond, r *attempt, result *Result) {
	kept, err := m.mgr.store.saveNewBond(b)
	posted := m.ch.Post(loop.Func(func(now time.Time) {
		m.saving = false
		if err == nil {
			kept = m.adoptBond(b, kept)
			result.Security = m.Security()
			m.changed(now)
		}
		if !kept {
			result.Bond = nil
		}
		r.endAttempt(err)
		waiting := m.pairs // but for those who have left
		m.pairs = nil
		m.settlePairs(now, waiting, r, outcome{result, err})
		m.handlePostponed(now)
	}))
	if !posted { // nobody is left but those who wait for the end of the link
		r.endAttempt(err)
	}
}

// adoptBond makes what there is of a bond that was saved, or was not, that of the
// link, and reports whether it is the one: it may have been removed or replaced
// since.
func (m *Machine) adoptBond(b *Bond, saved bool) (kept bool) {
	now, ok := m.mgr.Find(b.Peer)
	kept = saved && ok && now.sameKeys(b)
	m.bond, m.proven = now, kept
	m.peer.Store(&b.Peer)
	s := m.Security()
	s.Bonded = kept
	m.security.Store(&s)
	return kept
}
