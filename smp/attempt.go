package smp

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// attempt is a pairing with what surrounds the protocol: the options, the delegate
// and its context.
type attempt struct {
	m        *Machine
	pairing  *pairing
	options  *PairOptions // nil if the peer began it
	delegate Delegate
	proven   bool // Machine.provenNow at the beginning
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

// errPaired is the cause of the context of a pairing that has succeeded.
var errPaired = errors.New("paired")

func newAttempt(m *Machine, p *pairing, o *PairOptions, d Delegate) *attempt {
	a := &attempt{m: m, pairing: p, options: o, delegate: d, proven: m.provenNow()}
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	return a
}

// endAttempt ends the context, and with it the goroutine of askDelegate.
func (a *attempt) endAttempt(err error) {
	if err == nil {
		err = errPaired
	}
	a.cancel(err)
}

// askDelegate asks the delegate, on a goroutine that ends with the attempt. A pairing
// asks one question.
func (a *attempt) askDelegate(q question) {
	go func() {
		reply := a.callDelegate(q)
		a.m.ch.Post(loop.Func(func(now time.Time) {
			if a.m.attempt() == a {
				a.m.advancePairing(now, reply)
			}
		}))
		<-a.ctx.Done()
		err := context.Cause(a.ctx)
		if errors.Is(err, errPaired) {
			err = nil
		}
		a.delegate.Ended(a.m.Peer(), err)
	}()
}

func (a *attempt) callDelegate(q question) (reply answer) {
	peer := a.m.Peer()
	switch q.kind {
	case tellPasskey:
		reply.err = a.delegate.Display(a.ctx, peer, q.passkey)
	case askEnter:
		reply.passkey, reply.err = a.delegate.Enter(a.ctx, peer)
	case askConfirm:
		yes, err := a.delegate.Confirm(a.ctx, peer, q.passkey)
		if reply.err = err; err == nil && !yes {
			reply.err = errRejected
		}
	}
	return reply
}

// satisfies reports whether the outcome of the attempt gives a caller what its own
// pairing would have given. res is nil if the attempt failed.
func (a *attempt) satisfies(c caller, res *Result) bool {
	s, w := &a.pairing.set, &c.want
	switch {
	case a.wouldRepeat(c):
		// With Replace in one of them alone, an existing bond fails the other alone.
		replace := a.options != nil && a.options.Replace
		return a.options == c.options || res != nil || replace == c.options.Replace
	case a.hasOwnUser(c) || res == nil || !res.Security.Authenticated || s.auth.bonds() != w.auth.bonds():
		return false
	}
	return w.oob == nil || w.oob == s.oob
}

// wouldRepeat reports whether a caller would have begun the same pairing.
func (a *attempt) wouldRepeat(c caller) bool {
	s, w := &a.pairing.set, &c.want
	return a.options == c.options ||
		!a.hasOwnUser(c) && s.io == w.io && s.needMITM == w.needMITM && s.auth == w.auth && s.oob == w.oob
}

// hasOwnUser reports whether the attempt or another caller has a Delegate of its own.
// Its user has not seen what the other user sees, and cannot answer for that user.
func (a *attempt) hasOwnUser(c caller) bool {
	return c.options.Delegate != nil || a.options != nil && a.options.Delegate != nil
}
