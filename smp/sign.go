package smp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"

	"github.com/moor-ble/moor/internal/wire"
)

// Signature proves who wrote a PDU that is sent in plain text (Vol 3, Part H,
// 2.4.5; Vol 3, Part F, 3.3.1): a counter, then half of a code.
type Signature [12]byte

// ErrSignature says that a signature is wrong, or was used before.
var ErrSignature = errors.New("the signature is wrong or has been used before")

// ErrNoSigningKey says that the bond has no key for signatures; see
// Config.Signing.
var ErrNoSigningKey = errors.New("the bond has no key for signatures")

func signature(csrk Key, counter uint32, pdu []byte) (s Signature) {
	n := wire.AppendU32(nil, counter)
	mac := cmac(csrk, pdu, n)
	r := wire.NewReader(mac[:])
	r.Skip(len(mac) / 2) // the most significant half stays
	copy(s[:], append(n, r.Rest()...))
	return s
}

// Sign signs a PDU, opcode included, with the key that this host gave to the
// peer. Each signature has its own counter, which is saved before it is used.
// Not for the loop.
func (m *Machine) Sign(ctx context.Context, pdu []byte) (s Signature, err error) {
	err = m.mgr.changeBond(ctx, m, func(b *Bond) error {
		switch {
		case b.LocalCSRK.IsZero():
			return ErrNoSigningKey
		case b.LocalCounter == math.MaxUint32: // would begin anew
			return fmt.Errorf("%w any more: it has signed as often as it can; pair again and replace the bond", ErrNoSigningKey)
		}
		s = signature(b.LocalCSRK, b.LocalCounter, pdu)
		b.LocalCounter++
		return nil
	})
	if err != nil {
		return Signature{}, fmt.Errorf("smp: sign: %w", err)
	}
	return s, nil
}

// Verify checks the peer's signature of a PDU; what is wrong with it is
// ErrSignature. A signature is good once. Not for the loop.
func (m *Machine) Verify(ctx context.Context, pdu []byte, s Signature) error {
	err := m.mgr.changeBond(ctx, m, func(b *Bond) error {
		if b.PeerCSRK.IsZero() {
			return ErrNoSigningKey
		}
		r := wire.NewReader(s[:])
		counter := r.U32()
		want := signature(b.PeerCSRK, counter, pdu)
		if subtle.ConstantTimeCompare(want[:], s[:]) != 1 || counter < b.PeerCounter || counter+1 == 0 {
			return ErrSignature
		}
		b.PeerCounter = counter + 1
		return nil
	})
	if err != nil {
		return fmt.Errorf("smp: verify: %w", err)
	}
	return nil
}

// changeBond saves what f makes of the bond with a link's peer. All who change bonds
// wait for each other.
func (m *Manager) changeBond(ctx context.Context, x *Machine, f func(b *Bond) error) error {
	select {
	case m.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-m.writing }()
	if ctx.Err() != nil { // both were there
		return context.Cause(ctx)
	}
	old, ok := m.store.Find(x.Peer())
	if !ok {
		return ErrNoBond
	}
	b := *old
	if err := f(&b); err != nil {
		return err
	}
	return m.store.Store.Save(&b) // that a counter has moved on is nobody's business
}
