package smp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"

	"github.com/moor-ble/moor/internal/wire"
)

// Signature authenticates a PDU that is sent in plain text (Vol 3, Part H, 2.4.5; Vol 3,
// Part F, 3.3.1): a counter of 4 octets, then 8 octets of a message authentication code.
type Signature [12]byte

// ErrSignature means that a signature is wrong or was used before.
var ErrSignature = errors.New("the signature is wrong or has been used before")

// ErrNoSigningKey means that the bond has no key for signatures; see Config.Signing.
var ErrNoSigningKey = errors.New("the bond has no key for signatures")

func signature(csrk Key, counter uint32, pdu []byte) (s Signature) {
	n := wire.AppendU32(nil, counter)
	mac := cmac(csrk, pdu, n)
	r := wire.NewReader(mac[:])
	r.Skip(len(mac) / 2) // the most significant half stays
	copy(s[:], append(n, r.Rest()...))
	return s
}

// Sign signs a PDU, opcode included, with the key that this host has distributed to the
// peer. It saves the new counter before it returns the signature. Any goroutine but the
// loop may call it. Errors wrap ErrNoBond, ErrNoSigningKey, an error of the Store, or
// the cause of ctx.
func (m *Machine) Sign(ctx context.Context, pdu []byte) (s Signature, err error) {
	err = m.mgr.changeBond(ctx, m, func(b *Bond) error {
		switch {
		case b.LocalCSRK.IsZero():
			return ErrNoSigningKey
		case b.LocalCounter == math.MaxUint32: // the next one would be 0 again
			return fmt.Errorf("%w: all counters of the key are used; pair again and replace the bond", ErrNoSigningKey)
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

// Verify verifies the peer's signature of a PDU, opcode included. A signature is valid
// once. Any goroutine but the loop may call Verify. Errors wrap ErrSignature, ErrNoBond,
// ErrNoSigningKey, an error of the Store, or the cause of ctx.
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

// changeBond saves the bond with a link's peer after f has changed it. Changes of bonds
// exclude each other.
func (m *Manager) changeBond(ctx context.Context, x *Machine, f func(b *Bond) error) error {
	select {
	case m.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-m.writing }()
	if ctx.Err() != nil { // both were ready
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
	return m.store.Store.Save(&b) // without Config.Changed: only a counter has changed
}
