package gatt

import (
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// inbox has the requests and commands of one bearer of a session. They are handled
// one at a time, in order, and beside those of other bearers. It belongs to the
// loop.
type inbox struct {
	s        *Session
	b        *att.Bearer
	down     bool
	busy     bool     // a handler or a Verifier runs
	handling bool     // a PDU is being handled
	waiting  [][]byte // PDUs behind it, in order

	prepared []part     // queued prepared writes
	lost     att.Handle // of a queued write that a change of the table removed

	// proving reports that the next request on the bearer proves that the client
	// knows the table; see knownClient.
	proving bool
}

// inboxOf returns the inbox of a bearer; the first request there makes it. Its
// list is short: a link has at most six bearers.
func (s *Session) inboxOf(b *att.Bearer) *inbox {
	for _, q := range s.inboxes {
		if q.b == b {
			return q
		}
	}
	q := &inbox{s: s, b: b}
	s.inboxes = append(s.inboxes, q)
	return q
}

// endInbox ends the inbox of an enhanced bearer that has ended.
func (s *Session) endInbox(b *att.Bearer) {
	q := s.inboxOf(b)
	q.down, q.waiting, q.prepared = true, nil, nil
	s.inboxes = slices.DeleteFunc(s.inboxes, func(o *inbox) bool { return o == q })
}

// endProofs makes no bearer prove anything any more: the table has changed, or the
// client is known to know it.
func (s *Session) endProofs() {
	for _, q := range s.inboxes {
		q.proving = false
	}
}
