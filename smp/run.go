package smp

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// run is what belongs to a pairing besides its state: its user, and the
// context of what that is asked.
type run struct {
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

func newRun(m *Machine, p *pairing, o *PairOptions, d Delegate) *run {
	r := &run{m: m, p: p, options: o, delegate: d, proven: m.provenNow()}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	return r
}

// end ends the context, and with it the goroutine of ask.
func (r *run) end(err error) {
	if err == nil {
		err = errPaired
	}
	r.cancel(err)
}

// ask has the delegate asked, on a goroutine that ends with the pairing. A
// pairing asks one question.
func (r *run) ask(q question) {
	go func() {
		a := r.consult(q)
		r.m.ch.Post(loop.Func(func(now time.Time) {
			if r.m.p == r.p {
				r.m.step(now, a)
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

func (r *run) consult(q question) (a answer) {
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

// save writes a new bond, on a goroutine of its own, and lets everybody know.
// The writing is not given up when the link goes down: the peer has the keys.
func (m *Machine) save(b *Bond, r *run, result *Result) {
	kept, err := m.mgr.store.saveNew(b)
	posted := m.ch.Post(loop.Func(func(now time.Time) {
		m.saving = false
		if err == nil {
			kept = m.adopt(b, kept)
			result.Security = m.Security()
			m.changed(now)
		}
		if !kept {
			result.Bond = nil
		}
		r.end(err)
		waiting := m.pairs // but for those who have left
		m.pairs = nil
		m.settle(now, waiting, r, outcome{result, err})
		m.catchUp(now)
	}))
	if !posted { // nobody is left but those who wait for the end of the link
		r.end(err)
	}
}

// adopt makes what there is of a bond that was saved, or was not, that of the
// link, and reports whether it is the one: it may have been removed or replaced
// since.
func (m *Machine) adopt(b *Bond, saved bool) (kept bool) {
	now, ok := m.mgr.Find(b.Peer)
	kept = saved && ok && now.sameKeys(b)
	m.bond, m.proven = now, kept
	m.peer.Store(&b.Peer)
	s := m.Security()
	s.Bonded = kept
	m.security.Store(&s)
	return kept
}
