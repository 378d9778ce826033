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
// both sides bond, saved. A pairing that the peer has begun is joined. Without
// PairOptions.Replace a peer with a bond is ErrBonded. nil means the default
// options.
//
// As peripheral it asks the central to pair, which may refuse, or do nothing for
// 30 s. If ctx ends, the pairing is ended too, unless others wait for it or the
// peer began it. Errors are *Error, ErrBonded, ErrBusy, ErrTimeout, that of the
// Store, or wrap the context's cause or the end of the link.
func (m *Machine) Pair(ctx context.Context, o *PairOptions) (*Result, error) {
	var opts PairOptions
	if o != nil {
		opts = *o
	}
	r, err := m.call(ctx, "pair", &m.pairs, func(now time.Time) error { return m.startPair(now, &opts) })
	return r, err
}

// startPair begins a pairing or joins one. On the loop.
func (m *Machine) startPair(now time.Time, o *PairOptions) error {
	switch {
	case m.p != nil && m.run.options == nil, m.saving:
		return nil
	case m.p != nil || m.wanted || m.pending != nil:
		return ErrBusy
	case m.bond != nil && !o.Replace:
		return ErrBonded
	case m.link.Role() == hci.RoleCentral:
		m.initiate(now, o)
	default:
		m.request(now, o)
	}
	return nil
}

// Encrypt returns when the link is encrypted, with the key of the bond unless
// it is already. As central it does so itself, as peripheral it asks the central
// to. Without a bond it is ErrNoBond; a peer that has lost the key is
// ErrBondLost, after which the link is still there, in plain text.
func (m *Machine) Encrypt(ctx context.Context) error {
	if m.Security().Encrypted {
		return nil
	}
	_, err := m.call(ctx, "encrypt", &m.encrypts, m.startEncrypt)
	var lost *BondLostError
	if errors.Is(err, hci.StatusKeyMissing) && m.Security().Bonded && !errors.As(err, &lost) {
		err = &BondLostError{Peer: m.Peer(), Err: err} // it ended the link
	}
	return err
}

// startEncrypt begins to encrypt or joins an encryption. On the loop.
func (m *Machine) startEncrypt(now time.Time) error {
	switch {
	case m.Security().Encrypted:
		m.tell(&m.encrypts, outcome{})
	case m.pending != nil || m.p != nil || m.wanted:
	case m.bond == nil || m.bond.key(m.link.Role()) == nil:
		return fmt.Errorf("%w %v", ErrNoBond, m.Peer())
	case m.link.Role() == hci.RoleCentral:
		m.startEncryption(now)
	default:
		m.request(now, nil)
	}
	return nil
}

// call has start called on the loop, and waits for what is then told to the
// list; start's error is the outcome too.
func (m *Machine) call(ctx context.Context, what string, list *[]chan outcome, start func(now time.Time) error) (*Result, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("smp: %s: %w", what, context.Cause(ctx))
	}
	ch := make(chan outcome, 1)
	posted := m.ch.Post(loop.Func(func(now time.Time) {
		if m.dead != nil {
			ch <- outcome{err: m.dead}
			return
		}
		*list = append(*list, ch)
		if err := start(now); err != nil {
			*list = slices.DeleteFunc(*list, func(c chan outcome) bool { return c == ch })
			ch <- outcome{err: fmt.Errorf("smp: %s: %w", what, err)}
		}
	}))
	if posted {
		select {
		case o := <-ch:
			return o.result, o.err
		case <-m.ch.Done():
		case <-ctx.Done():
			m.ch.Post(loop.Func(func(now time.Time) { m.leave(now, list, ch, context.Cause(ctx)) }))
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

// leave takes back a caller. A pairing of this host's that nobody waits for any
// more ends.
func (m *Machine) leave(now time.Time, list *[]chan outcome, ch chan outcome, cause error) {
	*list = slices.DeleteFunc(*list, func(c chan outcome) bool { return c == ch })
	switch {
	case list != &m.pairs || len(m.pairs) > 0:
	case m.p != nil && m.run.options != nil:
		m.over(now, &Error{Reason: ReasonUnspecified, Local: true, Err: fmt.Errorf("%w: %w", ErrCanceled, cause)})
	case m.wanted && m.wish != nil: // the central has yet to begin
		m.wanted, m.wish = false, nil
		m.rest()
	}
}
