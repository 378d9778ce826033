package gatt

import (
	"context"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// Verifier checks a signature against the key for signatures that the peer gave
// when it bonded (Vol 3, Part H, 2.4.5). pdu is the ATT PDU from its opcode up to
// the signature. authenticated reports whether the pairing had protection
// against a man in the middle; an error means that the signature must not be
// believed. One that has passed must not pass again.
//
// It is called on a goroutine, one call at a time for each link, and may wait
// for a disk. ctx ends with the link.
type Verifier func(ctx context.Context, pdu []byte, signature [12]byte) (authenticated bool, err error)

// dropUnaware is why commands of a client are dropped that has asked for robust
// caching.
const dropUnaware = "the client does not know the table"

// handleSignedWrite has a signature checked, and then writes as a command does. What
// needs no look at the signature is found out first: a stranger costs neither a
// goroutine nor a write to a disk.
func (s *Session) handleSignedWrite(p att.SignedWriteCmd, pdu []byte) {
	const op = att.OpSignedWriteCmd
	verify := s.peer.Load().Verify
	if verify == nil || !s.linkSecurity().Bonded {
		s.dropCommand(op, "no key to check the signature with")
		return
	}
	if why := s.refuseSigned(p.Handle, true); why != "" {
		s.dropCommand(op, why)
		return
	}
	p.Value = slices.Clone(p.Value) // pdu goes, the goroutine stays
	r := wire.NewReader(slices.Clone(pdu))
	signed := r.Bytes(r.Len() - len(p.Signature))
	ok := s.runHandler(func(ctx context.Context) func(time.Time) {
		authenticated, err := verify(ctx, signed, p.Signature)
		return func(now time.Time) { s.handleVerified(now, p, authenticated, err) }
	})
	if !ok {
		s.dropCommand(op, "the server is closed")
	}
}

// handleVerified goes on when the signature has been checked.
func (s *Session) handleVerified(now time.Time, p att.SignedWriteCmd, authenticated bool, err error) {
	const op = att.OpSignedWriteCmd
	if err != nil {
		s.dropCommand(op, err.Error())
		return
	}
	s.adoptTable(now) // the table may be another by now
	if why := s.refuseSigned(p.Handle, authenticated); why != "" {
		s.dropCommand(op, why)
		return
	}
	s.commitCommand(now, op, part{handle: p.Handle, value: p.Value, command: true, signed: true})
}

// refuseSigned returns why a signed command may not write to an attribute, "" if
// it may.
func (s *Session) refuseSigned(h att.Handle, authenticated bool) string {
	a := s.t.attributeAt(h)
	switch {
	case a == nil || !a.signed:
		return "not to be written with a signature"
	case !a.perms.Write.checkSigned(authenticated):
		return "the signature is not enough"
	case s.client.barred(s.t):
		return dropUnaware
	}
	return ""
}
