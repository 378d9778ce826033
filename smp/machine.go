package smp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// timeout bounds a procedure between two PDUs of this host (Vol 3, Part H, 3.4).
const timeout = 30 * time.Second

// Link is what a Machine needs of the link under it; *controller.Link has it. All is
// for the loop.
type Link interface {
	// StartEncryption encrypts the link as central; done runs on the loop.
	StartEncryption(rand [8]byte, ediv uint16, key [16]byte, done func(now time.Time, err error))
	// ProvideKey and RefuseKey answer a request for a key as peripheral.
	ProvideKey(key [16]byte)
	RefuseKey()
	// OnDelivered calls f once the peer has all that was sent so far.
	OnDelivered(f func(now time.Time))
	Role() hci.Role
	// Peer is the peer's address, its identity if the controller knows it.
	Peer() hci.Addr
	// OnAir returns the addresses that the link was made with.
	OnAir() (own, peer hci.Addr)
}

// Channel is the SMP channel of a link; *l2cap.Channel is one.
type Channel interface {
	Send(pdu []byte)         // loop
	Room() bool              // loop; Writable is called after false, when there is room again
	SetDeadline(t time.Time) // loop
	loop.Poster
}

// Machine is the Security Manager of one link: the handler of its SMP channel.
// Pair, Encrypt, Sign, Verify, NeedsMITM, Security and Peer may be called from
// any goroutine but the loop; the other methods are for the loop.
//
// What happens to it, when nothing else goes on:
//
//	                       as central                      as peripheral
//	made, with a bond      encrypts                        –
//	Pair                   Pairing Request                 Security Request
//	Encrypt                encrypts with the bond          Security Request
//	Security Request       encrypts, or without a bond     refused
//	                       Pairing Request
//	Pairing Request        refused                         Pairing Response, unless bonded
//	key request            –                               the bond's key, or none
type Machine struct {
	mgr     *Manager
	ch      Channel
	link    Link
	changed func(now time.Time)
	private bool // this host has a private address on the link; for any goroutine

	security atomic.Pointer[Security]
	peer     atomic.Pointer[hci.Addr]

	// The rest belongs to the loop.
	bond *Bond
	p    *pairing
	run  *attempt // of p
	// wanted says that a Security Request waits for the central to act. wish is
	// what the pairing that it may begin is to be.
	wanted bool
	wish   *PairOptions
	saving bool
	// pausing says that callers wait until the peer will pair again.
	pausing bool
	// asked says that a Security Request came when there was no time for it.
	asked bool
	// held is a Pairing Request that came while a bond was being saved, from a
	// central that waits for the answer until heldUntil.
	held      *pairingRequest
	heldUntil time.Time

	pairs    []caller       // who waits for the pairing, or for one after it
	encrypts []chan outcome // who waits for encryption
	// pending is what the link will have if the encryption under way succeeds;
	// byBond says that it is with the key of the bond.
	pending *Security
	byBond  bool
	proven  bool  // the link is, or was, encrypted with the bond's key
	dead    error // why there is no more SMP on this link
	untaken int   // PDUs of the peer since the channel had room
}

// maxUntaken is how many PDUs of the peer are taken in while the channel has no
// room for more. Nearly each has an answer, and those of a peer that does not
// take them would pile up here. Other traffic may keep the channel full for a few
// honest ones.
const maxUntaken = 16

// outcome is what a waiting caller gets.
type outcome struct {
	result *Result
	err    error
}

// Result is what a pairing has brought.
type Result struct {
	Method   Method
	Security Security
	// Bond is what was kept; nil if nothing was.
	Bond *Bond
}

// NewMachine makes the Machine of a link, on the loop. changed, which may be
// nil, is called on the loop when what Security returns has changed. If there is
// a bond with the peer, and this host is the central, encryption begins at once.
func (m *Manager) NewMachine(now time.Time, ch Channel, link Link, changed func(now time.Time)) *Machine {
	own, _ := link.OnAir()
	x := &Machine{mgr: m, ch: ch, link: link, changed: changed, private: own.IsResolvable()}
	if x.changed == nil {
		x.changed = func(time.Time) {}
	}
	peer := link.Peer().Identity()
	x.security.Store(&Security{})
	if b, ok := m.Find(peer); ok {
		x.bond, peer = b, b.Peer
		x.security.Store(&Security{Bonded: true})
	}
	x.peer.Store(&peer)
	if x.bond != nil && link.Role() == hci.RoleCentral && x.checkBond() == nil {
		x.encryptWithBond(now)
	}
	return x
}

// Security returns what protects the link now. It does not wait, and may be
// called on the loop too.
func (m *Machine) Security() Security { return *m.security.Load() }

// Peer returns the peer's identity address, as far as it is known. It does not
// wait, and may be called on the loop too.
func (m *Machine) Peer() hci.Addr { return *m.peer.Load() }

// NeedsMITM reports whether Pair with o, which may be nil, is refused without
// protection against a man in the middle, whether o or the Config says so. It
// does not wait, and may be called on the loop too.
func (m *Machine) NeedsMITM(o *PairOptions) bool { return m.mgr.cfg.needsMITM(o) }

// Frame takes a PDU.
func (m *Machine) Frame(now time.Time, pdu []byte) {
	if m.dead != nil || m.flooded() {
		return
	}
	p, err := parseCommand(pdu)
	if errors.Is(err, errUnknownCode) {
		m.logEvent(levelPacket, "PDU ignored", "error", err)
		return
	}
	if err != nil {
		m.handleMalformed(now, pdu, err)
		return
	}
	m.logEvent(levelPacket, "received", "pdu", p.Code())
	if m.p == nil {
		m.handleIdlePDU(now, p)
		return
	}
	if p.Code() == codeSecurityRequest && m.p.initiator {
		m.asked = m.p.done // otherwise pairing is what it asks for (2.4.6)
		return
	}
	m.advancePairing(now, p)
}

// flooded counts a PDU, and reports whether it is one too many for a peer that
// takes no answers. It is ignored then; a pairing that misses it times out.
func (m *Machine) flooded() bool {
	if m.ch.Room() {
		m.untaken = 0
		return false
	}
	m.untaken = min(m.untaken+1, maxUntaken+1)
	return m.untaken > maxUntaken
}

// handleMalformed ends the pairing, or refuses one; anything else has no effect.
func (m *Machine) handleMalformed(now time.Time, pdu []byte, err error) {
	m.logEvent(levelPacket, "malformed PDU", "error", err)
	e := &Error{Reason: ReasonInvalidParameters, Local: true, Err: err}
	switch {
	case m.p != nil:
		m.endPairing(now, e)
	case len(pdu) > 0 && code(pdu[0]) == codePairingRequest:
		m.refusePeer(now, e)
		m.mgr.backoff.addFailure(now, m.Peer())
	}
}

// advancePairing lets the pairing take what has happened.
func (m *Machine) advancePairing(now time.Time, in any) {
	p := m.p
	err := p.advance(in)
	if m.p != p {
		return
	}
	m.applyEffects(now, p.takeEffects(), err)
}

// applyEffects does what a step of the pairing wants done.
func (m *Machine) applyEffects(now time.Time, fx effects, err error) {
	for _, pdu := range fx.send {
		m.sendPDU(now, pdu)
	}
	if err != nil {
		m.endPairing(now, err)
		return
	}
	if fx.ask != nil {
		m.run.askDelegate(*fx.ask)
	}
	if fx.encrypt != nil {
		m.expectEncryption(m.p.linkSecurity(), false)
		p, pending := m.p, m.pending
		m.link.StartEncryption([8]byte{}, 0, *fx.encrypt, func(now time.Time, err error) {
			switch {
			case m.p == p:
				m.handleEncryptionDone(now, err)
			case m.pending == pending: // the pairing was given up meanwhile
				m.pending = nil
				m.tell(&m.encrypts, outcome{err: ErrCanceled})
				m.handlePostponed(now)
			}
		})
	}
	if fx.done {
		// Whoever hears of the success may end the link at once, and the last keys
		// must have arrived by then: the peer would be without the bond.
		p := m.p
		m.link.OnDelivered(func(now time.Time) {
			if m.p == p {
				m.finishPairing(now)
			}
		})
	}
}

// sendPDU sends a PDU, which starts the time that the peer has for its own.
func (m *Machine) sendPDU(now time.Time, p command) {
	m.logEvent(levelPacket, "sent", "pdu", p.Code())
	m.ch.Send(p.AppendPDU(nil))
	m.ch.SetDeadline(now.Add(timeout))
}

// refusePeer answers what begins no pairing.
func (m *Machine) refusePeer(now time.Time, e *Error) {
	m.logEvent(levelLink, "pairing refused", "error", e)
	m.held = nil
	m.sendPDU(now, pairingFailed{e.Reason})
	m.stopIdleTimer()
}

// stopIdleTimer stops the clock when nothing is awaited any more.
func (m *Machine) stopIdleTimer() {
	if m.p == nil && !m.wanted {
		m.ch.SetDeadline(time.Time{})
	}
}

// Expire is called when the peer has been silent for too long.
func (m *Machine) Expire(now time.Time) {
	if m.p == nil && !m.wanted {
		return
	}
	if m.p != nil && m.p.done {
		m.finishPairing(now) // all that is missing is word from the controller
		return
	}
	m.dead = fmt.Errorf("smp: %w", ErrTimeout)
	m.endPairing(now, m.dead)
}

// Writable says that the peer has taken what was sent.
func (m *Machine) Writable(time.Time) { m.untaken = 0 }

// Down ends all that waits.
func (m *Machine) Down(now time.Time, cause error) {
	m.dead, m.pending = fmt.Errorf("smp: %w", cause), nil
	m.security.Store(&Security{Bonded: m.bond != nil})
	m.changed(now)
	m.endPairing(now, m.dead)
}

// beginPairing takes up a pairing.
func (m *Machine) beginPairing(now time.Time, p *pairing, err error, o *PairOptions, d Delegate) {
	m.wanted, m.wish, m.held = false, nil, nil
	if p == nil { // refused before it began
		m.endPairing(now, err)
		m.mgr.backoff.addFailure(now, m.Peer())
		return
	}
	m.p, m.run = p, newAttempt(m, p, o, d)
	m.applyEffects(now, p.takeEffects(), err)
}

// endPairing ends the pairing, or the wait for it, with an error.
func (m *Machine) endPairing(now time.Time, err error) {
	p, r := m.p, m.run
	m.p, m.run, m.wanted, m.wish = nil, nil, false, nil
	m.ch.SetDeadline(time.Time{})
	var e *Error
	if errors.As(err, &e) && e.Local && m.dead == nil {
		m.sendPDU(now, pairingFailed{e.Reason})
		m.asked = false // this answers it
		m.stopIdleTimer()
	}
	if p != nil {
		m.logEvent(levelLink, "pairing failed", "error", err)
		r.endAttempt(err)
		if !errors.Is(err, ErrCanceled) {
			m.mgr.backoff.addFailure(now, m.Peer())
		}
	}
	if m.pending == nil { // otherwise encryption has its own outcome
		m.tell(&m.encrypts, outcome{err: err})
	}
	waiting := m.pairs
	m.pairs = nil
	m.settlePairs(now, waiting, r, outcome{err: err})
	m.handlePostponed(now)
}

// tell gives an outcome to all who wait in a list.
func (m *Machine) tell(list *[]chan outcome, o outcome) {
	waiting := *list
	*list = nil
	for _, ch := range waiting {
		ch <- o
	}
}

func (m *Machine) logEvent(level slog.Level, msg string, args ...any) {
	ctx := context.Background()
	if m.mgr.log.Enabled(ctx, level) {
		m.mgr.log.Log(ctx, level, "smp: "+msg, append(args, "peer", m.Peer())...)
	}
}
