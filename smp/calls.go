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

// Pair pairs with the peer and returns once the keys are exchanged and, if both
// sides bond, the bond is saved. nil means the default options. If there is a bond
// already, Pair returns ErrBonded unless PairOptions.Replace is set.
//
// A link has one pairing at a time. If the peer or another call has begun one, Pair
// waits for its end. Pair returns that outcome if its own options would have led to
// the same one, or if the pairing succeeded with protection against a man in the
// middle and satisfies the options; but never if either pairing has a Delegate of its
// own. Otherwise Pair then begins its own pairing: at once after a success, whose
// bond it may replace, or 2 s after a failure. So a success always protects the link
// as well as the options ask for.
//
// As peripheral, Pair asks the central to pair. The central may refuse, or not react
// for 30 s. A central that has a bond encrypts with it instead: Pair then returns
// ErrBonded whatever the options are, since only the central can replace that bond.
//
// The end of ctx ends the pairing, unless the peer began it or another caller would
// have begun the same one. Errors are *Error, ErrBonded, ErrNoKey, ErrBondDamaged,
// ErrOpenBond, ErrTimeout, ErrBusy while the link is being encrypted, or an error of
// the Store; or they wrap the cause of ctx or the error that ended the link.
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

// caller is a call of Pair: its options, and the settings that these amount to.
type caller struct {
	ch      chan outcome
	options *PairOptions
	want    settings
}

// admitPair begins a pairing for c, or adds c to the callers that wait for the one
// under way. It must run on the loop.
func (m *Machine) admitPair(now time.Time, c caller) error {
	switch {
	case m.bond != nil && !c.options.Replace:
		if err := m.checkBond(); err != nil {
			return err
		}
		return ErrBonded
	case m.attempt() != nil || m.isSaving() || m.pausing || m.invitedPairing() != nil:
		m.pairs = append(m.pairs, c)
		return nil
	case m.encryption != nil || m.invitation() != nil:
		return ErrBusy
	}
	m.pairs = append(m.pairs, c)
	if m.link.Role() == hci.RoleCentral {
		m.initiatePairing(now, c.options)
	} else {
		m.inviteCentral(now, c.options)
	}
	return nil
}

// settlePairs gives the callers of Pair the outcome of an attempt, or of an
// invitation if a is nil. A caller that wants another pairing begins it.
func (m *Machine) settlePairs(now time.Time, a *attempt, o outcome) {
	waiting := m.pairs
	m.pairs = nil
	for _, c := range waiting {
		switch {
		case a == nil || a.satisfies(c, o.result):
			c.ch <- o
		case m.deadCause() != nil:
			c.ch <- outcome{err: m.deadCause()}
		case o.err != nil:
			m.pairs = append(m.pairs, c)
			m.startPause()
		default:
			if o.result.Bond != nil {
				c.options.Replace = true // the bond of this attempt is no obstacle
			}
			m.beginPair(now, c)
		}
	}
}

// beginPair begins the pairing of a caller that has waited for another one.
func (m *Machine) beginPair(now time.Time, c caller) {
	if err := m.admitPair(now, c); err != nil {
		c.ch <- outcome{err: fmt.Errorf("smp: pair: %w", err)}
	}
}

// pauseTime is the time from a failed pairing to the next one. Peers want a pause
// (Vol 3, Part H, 2.3.6), and PDUs of the failed pairing are still on their way.
const pauseTime = 2 * firstWait

// startPause makes the waiting callers begin their pairings after a pause.
func (m *Machine) startPause() {
	if m.pausing {
		return
	}
	m.pausing = true
	time.AfterFunc(pauseTime, func() { m.ch.Post(loop.Func(m.endPause)) })
}

// endPause begins the pairings of the waiting callers.
func (m *Machine) endPause(now time.Time) {
	m.pausing = false
	if m.attempt() != nil || m.isSaving() {
		return // the peer has begun a pairing: they wait for that now
	}
	waiting := m.pairs
	m.pairs = nil
	for _, c := range waiting {
		m.beginPair(now, c)
	}
}

// leavePair removes a caller of Pair whose context has ended. An attempt of this
// host ends with the last caller that would have begun the same one; callers that
// want another begin their own.
func (m *Machine) leavePair(now time.Time, ch chan outcome, cause error) {
	m.pairs = slices.DeleteFunc(m.pairs, func(c caller) bool { return c.ch == ch })
	if a := m.attempt(); a != nil && a.options != nil && !slices.ContainsFunc(m.pairs, a.wouldRepeat) {
		m.endPairing(now, &Error{
			Reason: ReasonUnspecified, Local: true, Err: fmt.Errorf("%w: %w", ErrCanceled, cause),
		})
		return
	}
	switch {
	case m.invitedPairing() == nil || slices.ContainsFunc(m.pairs, m.invitation().isFor):
	case len(m.pairs) > 0: // the central has not begun: ask it for the next caller's
		m.inviteCentral(now, m.pairs[0].options)
	case len(m.encrypts) > 0:
		m.setInvitation(&invitation{})
	default:
		m.setInvitation(nil)
		m.stopIdleTimer()
	}
}

// Encrypt returns once the link is encrypted. As central, this host encrypts the link
// with the key of the bond. As peripheral, it asks the central to encrypt. On an
// encrypted link, Encrypt does nothing.
//
// The errors are those of Pair, and:
//
//   - ErrNoBond: there is no bond with the peer.
//   - ErrNoKey: the bond has no key for this host's role.
//   - ErrBondDamaged: the bond cannot be read.
//   - ErrBondLost: the peer has no key for the bond.
//   - ErrOpenBond: the peer may not recognize this host under its private address.
//
// After one of these five the link is up, in plain text.
func (m *Machine) Encrypt(ctx context.Context) error {
	// The loop decides even if Security reports encryption already: by then changed
	// has returned, and what it informs is up to date.
	_, err := m.callLoop(ctx, "encrypt", m.admitEncrypt, func(_ time.Time, ch chan outcome, _ error) {
		m.encrypts = slices.DeleteFunc(m.encrypts, func(c chan outcome) bool { return c == ch })
	})
	var lost *BondLostError
	if errors.Is(err, hci.StatusKeyMissing) && m.Security().Bonded && !errors.As(err, &lost) {
		err = m.lostBondError(err) // the missing key has ended the link
	}
	return err
}

// admitEncrypt begins to encrypt, or adds ch to the callers that wait for encryption.
// It must run on the loop.
func (m *Machine) admitEncrypt(now time.Time, ch chan outcome) error {
	busy := m.encryption != nil || m.attempt() != nil || m.invitation() != nil
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
		m.encryptWithBond()
	default:
		m.inviteCentral(now, nil)
	}
	return nil
}

// answerEncrypts gives an outcome to all callers of Encrypt.
func (m *Machine) answerEncrypts(o outcome) {
	for _, ch := range m.encrypts {
		ch <- o
	}
	m.encrypts = nil
}

// callLoop runs start on the loop, with a channel that gets the outcome unless start
// returns an error, and waits for the outcome. If ctx ends first, leave takes the
// channel back. what names the call in errors.
func (m *Machine) callLoop(ctx context.Context, what string,
	start func(now time.Time, ch chan outcome) error, leave func(now time.Time, ch chan outcome, cause error),
) (*Result, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("smp: %s: %w", what, context.Cause(ctx))
	}
	ch := make(chan outcome, 1)
	posted := m.ch.Post(loop.Func(func(now time.Time) {
		if err := m.deadCause(); err != nil {
			ch <- outcome{err: err}
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
	case o := <-ch: // an outcome that is there counts more than any end
		return o.result, o.err
	default:
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("smp: %s: %w", what, context.Cause(ctx))
	}
	<-m.ch.Done()
	return nil, fmt.Errorf("smp: %s: %w", what, m.ch.Err())
}
