package smp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// Pair pairs with the peer and returns when its keys are exchanged and, if
// both sides bond, saved. nil means the default options. Without
// PairOptions.Replace a peer with a bond is ErrBonded.
//
// There is one pairing at a time. If one is under way, begun by the peer or by
// another call, Pair waits for its end. It takes the outcome if one with its own
// options would have gone the same way, or if it succeeded with protection
// against a man in the middle and these are content with that; never if either
// has a Delegate of its own. Otherwise its own turn comes, 2 s later if the other
// failed, and the bond that was made meanwhile may be replaced. So success is
// never less than what was asked for.
//
// As peripheral it asks the central to pair, which may refuse, or do nothing for
// 30 s. A central that has a bond encrypts with it instead, which is ErrBonded,
// whatever the options: only the central can replace it.
//
// If ctx ends, the pairing is ended too, unless the peer began it or a caller
// waits who would have begun the same. Errors are *Error, ErrBonded, ErrNoKey,
// ErrBondDamaged, ErrOpenBond, ErrBusy while the link is being encrypted,
// ErrTimeout, that of the Store, or wrap the context's cause or the end of the
// link.
func (m *Machine) Pair(ctx context.Context, o *PairOptions) (*Result, error) {
	var opts PairOptions
	if o != nil {
		opts = *o
	}
	return m.callLoop(ctx, "pair", func(now time.Time, ch chan outcome) error {
		own, _ := m.link.OnAir()
		want, _ := m.mgr.cfg.settings(&opts, m.mgr.Identity(), own)
		return m.admitPair(now, caller{ch, &opts, want})
	}, m.leavePair)
}

// caller waits for a pairing with options, which amount to what he wants.
type caller struct {
	ch      chan outcome
	options *PairOptions
	want    settings
}

// admitPair begins a pairing for c, or lets him wait for the one under way. On
// the loop.
func (m *Machine) admitPair(now time.Time, c caller) error {
	switch {
	case m.bond != nil && !c.options.Replace:
		if err := m.checkBond(); err != nil {
			return err
		}
		return ErrBonded
	case m.p != nil || m.saving || m.pausing || m.wanted && m.wish != nil:
		m.pairs = append(m.pairs, c)
		return nil
	case m.pending != nil || m.wanted:
		return ErrBusy
	}
	m.pairs = append(m.pairs, c)
	if m.link.Role() == hci.RoleCentral {
		m.initiatePairing(now, c.options)
	} else {
		m.sendSecurityRequest(now, c.options)
	}
	return nil
}

// settlePairs gives the outcome of a pairing, nil if it never began, to those who
// wait for it. Who wanted another begins it.
func (m *Machine) settlePairs(now time.Time, waiting []caller, r *attempt, o outcome) {
	for _, c := range waiting {
		switch {
		case r == nil || r.serves(c, o.result):
			c.ch <- o
		case m.dead != nil:
			c.ch <- outcome{err: m.dead}
		case o.err != nil:
			m.pairs = append(m.pairs, c)
			m.startPause()
		default:
			if o.result.Bond != nil {
				c.options.Replace = true // this bond is no reason not to
			}
			m.beginPair(now, c)
		}
	}
}

// beginPair begins the pairing of a caller who has waited for another.
func (m *Machine) beginPair(now time.Time, c caller) {
	if err := m.admitPair(now, c); err != nil {
		c.ch <- outcome{err: fmt.Errorf("smp: pair: %w", err)}
	}
}

// pauseTime is between a pairing that failed and the next one: peers want a pause
// (Vol 3, Part H, 2.3.6), and what they sent before they knew is on its way.
const pauseTime = 2 * firstWait

// startPause has the callers who wait begin after a pause.
func (m *Machine) startPause() {
	if m.pausing {
		return
	}
	m.pausing = true
	time.AfterFunc(pauseTime, func() { m.ch.Post(loop.Func(m.endPause)) })
}

// endPause is the end of the pause.
func (m *Machine) endPause(now time.Time) {
	m.pausing = false
	if m.p != nil || m.saving {
		return // the peer has begun one, for which they wait now
	}
	waiting := m.pairs
	m.pairs = nil
	for _, c := range waiting {
		m.beginPair(now, c)
	}
}

// serves reports whether a caller gets with the outcome of the pairing what he
// asked for, or would have got no other. res is nil if it failed.
func (r *attempt) serves(c caller, res *Result) bool {
	s, w := &r.p.set, &c.want
	switch {
	case r.alike(c):
		replace := r.options != nil && r.options.Replace // a bond that is there fails one of them alone
		return r.options == c.options || res != nil || replace == c.options.Replace
	case r.ownUser(c) || res == nil || !res.Security.Authenticated || s.auth.bonds() != w.auth.bonds():
		return false
	}
	return w.oob == nil || w.oob == s.oob
}

// alike reports whether a caller would have begun the same pairing.
func (r *attempt) alike(c caller) bool {
	s, w := &r.p.set, &c.want
	return r.options == c.options || !r.ownUser(c) && s.io == w.io && s.needMITM == w.needMITM && s.auth == w.auth && s.oob == w.oob
}

// ownUser reports whether the pairing or another caller has a user of its own:
// one of them has seen nothing of what the other sees, and cannot answer for him.
func (r *attempt) ownUser(c caller) bool {
	return c.options.Delegate != nil || r.options != nil && r.options.Delegate != nil
}

// leavePair takes back a caller of Pair. A pairing of this host's ends with the
// last who would have begun the same: the others begin their own.
func (m *Machine) leavePair(now time.Time, ch chan outcome, cause error) {
	m.pairs = slices.DeleteFunc(m.pairs, func(c caller) bool { return c.ch == ch })
	switch {
	case m.p != nil && m.run.options != nil && !slices.ContainsFunc(m.pairs, m.run.alike):
		m.endPairing(now, &Error{Reason: ReasonUnspecified, Local: true, Err: fmt.Errorf("%w: %w", ErrCanceled, cause)})
	case !m.wanted || m.wish == nil || slices.ContainsFunc(m.pairs, m.isInvitedFor):
	case len(m.pairs) > 0: // the central has yet to begin: what the next one wants
		m.sendSecurityRequest(now, m.pairs[0].options)
	default:
		m.wanted, m.wish = len(m.encrypts) > 0, nil
		m.stopIdleTimer()
	}
}

// isInvitedFor reports whether it is for a caller that the central was asked to pair.
func (m *Machine) isInvitedFor(c caller) bool { return c.options == m.wish }

// Encrypt returns when the link is encrypted, with the key of the bond unless
// it is already. As central it does so itself, as peripheral it asks the central
// to. Without a bond it is ErrNoBond, without a key in it ErrNoKey or
// ErrBondDamaged. A peer that has no key for it is ErrOpenBond if it may not know
// this host by its address, otherwise ErrBondLost. After any of these the link is
// still there, in plain text.
func (m *Machine) Encrypt(ctx context.Context) error {
	// On the loop even if Security says already that it is: whoever is told of
	// changes has been by then.
	_, err := m.callLoop(ctx, "encrypt", m.admitEncrypt, func(_ time.Time, ch chan outcome, _ error) {
		m.encrypts = slices.DeleteFunc(m.encrypts, func(c chan outcome) bool { return c == ch })
	})
	var lost *BondLostError
	if errors.Is(err, hci.StatusKeyMissing) && m.Security().Bonded && !errors.As(err, &lost) {
		err = m.lostBondError(err) // it ended the link
	}
	return err
}

// admitEncrypt begins to encrypt or joins an encryption. On the loop.
func (m *Machine) admitEncrypt(now time.Time, ch chan outcome) error {
	busy := m.pending != nil || m.p != nil || m.wanted
	switch {
	case m.Security().Encrypted:
		ch <- outcome{}
		return nil
	case busy:
	case m.bond == nil:
		return fmt.Errorf("%w %v", ErrNoBond, m.Peer())
	default:
		if err := m.checkBond(); err != nil {
			return err
		}
	}
	m.encrypts = append(m.encrypts, ch)
	switch {
	case busy:
	case m.link.Role() == hci.RoleCentral:
		m.encryptWithBond(now)
	default:
		m.sendSecurityRequest(now, nil)
	}
	return nil
}

// callLoop has start called on the loop, with a channel that gets the outcome unless
// start returns an error, and waits. If ctx ends first, leave takes the channel
// back.
func (m *Machine) callLoop(ctx context.Context, what string, start func(now time.Time, ch chan outcome) error, leave func(now time.Time, ch chan outcome, cause error)) (*Result, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("smp: %s: %w", what, context.Cause(ctx))
	}
	ch := make(chan outcome, 1)
	posted := m.ch.Post(loop.Func(func(now time.Time) {
		if m.dead != nil {
			ch <- outcome{err: m.dead}
		} else if err := start(now, ch); err != nil {
			ch <- outcome{err: fmt.Errorf("smp: %s: %w", what, err)}
		}
	}))
	if posted {
		select {
		case o := <-ch:
			return o.result, o.err
		case <-m.ch.Done():
		case <-ctx.Done():
			m.ch.Post(loop.Func(func(now time.Time) { leave(now, ch, context.Cause(ctx)) }))
		}
	}
	select {
	case o := <-ch: // a result that is there goes before any end
		return o.result, o.err
	default:
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("smp: %s: %w", what, context.Cause(ctx))
	}
	<-m.ch.Done()
	return nil, fmt.Errorf("smp: %s: %w", what, m.ch.Err())
}
