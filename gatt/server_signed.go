package gatt

import (
	"context"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// Verifier verifies a signature with the signing key that the peer distributed
// when it bonded (Vol 3, Part H, 2.4.5). pdu is the ATT PDU from its opcode up
// to the signature. authenticated reports whether the pairing had protection
// against a man in the middle. An error means that the signature is invalid. A
// signature must not be accepted twice.
//
// A Verifier runs on a goroutine, one call at a time for each link, and may wait
// for a disk. ctx ends with the link.
type Verifier func(ctx context.Context, pdu []byte, signature [12]byte) (authenticated bool, err error)

// dropUnaware is the reason to drop a command of a client that is barred.
const dropUnaware = "the client does not know the table"

// handleSignedWrite has the signature verified and then writes as a command
// does. It checks everything else first, so that a stranger's command costs
// neither a goroutine nor a disk write.
func (q *inbox) handleSignedWrite(p att.SignedWriteCmd, pdu []byte) {
	const op = att.OpSignedWriteCmd
	verify := q.s.peer.Load().Verify
	if verify == nil || !q.s.linkSecurity().Bonded {
		q.s.dropCommand(op, "no key to check the signature with")
		return
	}
	if why := q.s.refuseSigned(p.Handle, true); why != "" {
		q.s.dropCommand(op, why)
		return
	}
	p.Value = slices.Clone(p.Value) // pdu is not kept, the goroutine continues
	r := wire.NewReader(slices.Clone(pdu))
	signed := r.Bytes(r.Len() - len(p.Signature))
	ok := q.runHandler(func(ctx context.Context) func(time.Time) {
		authenticated, err := verify(ctx, signed, p.Signature)
		return func(now time.Time) { q.handleVerified(now, p, authenticated, err) }
	})
	if !ok {
		q.s.dropCommand(op, "the server is closed")
	}
}

// handleVerified continues after the signature has been verified.
func (q *inbox) handleVerified(now time.Time, p att.SignedWriteCmd, authenticated bool, err error) {
	const op = att.OpSignedWriteCmd
	if err != nil {
		q.s.dropCommand(op, err.Error())
		return
	}
	q.s.adoptTable(now) // the table may have changed
	if why := q.s.refuseSigned(p.Handle, authenticated); why != "" {
		q.s.dropCommand(op, why)
		return
	}
	q.commitCommand(now, op, part{handle: p.Handle, value: p.Value, command: true, signed: true})
}

// refuseSigned returns why a signed command may not write an attribute, "" if it
// may.
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
