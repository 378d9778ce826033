package smp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/flood"
	"github.com/moor-ble/moor/internal/loop"
)

// timeout bounds a procedure between two PDUs of this host (Vol 3, Part H, 3.4).
const timeout = 30 * time.Second

// Link is what a Machine needs of the link under it; *controller.Link implements
// it. Its methods are called on the loop.
type Link interface {
	// StartEncryption encrypts the link as central. done runs on the loop.
	StartEncryption(rand [8]byte, ediv uint16, key [16]byte, done func(now time.Time, err error))
	// ProvideKey and RefuseKey answer a request for a key as peripheral.
	ProvideKey(key [16]byte)
	RefuseKey()
	// OnDelivered calls f on the loop once the peer has received everything that
	// was sent so far.
	OnDelivered(f func(now time.Time))
	Role() hci.Role
	// Peer returns the peer's address: its identity address if the controller
	// knows it.
	Peer() hci.Addr
	// OnAir returns the addresses that the link was made with.
	OnAir() (own, peer hci.Addr)
}

// Channel is the SMP channel of a link; *l2cap.Channel implements it. Send, Room
// and SetDeadline are called on the loop.
type Channel interface {
	Send(pdu []byte)
	// Room reports whether the channel takes more PDUs. After false the channel
	// calls Machine.Writable once it does.
	Room() bool
	SetDeadline(t time.Time)
	loop.Poster
}

// The states of pairing on a link, in the fields of a Machine:
//
//	inviting    invitation is set: the central has not reacted to our Security Request
//	pairing     attempt is set: PDUs are exchanged
//	delivering  attempt is set, its pairing is done: the peer has yet to receive our last PDUs
//	saving      saving is set: the new bond is being written
//	idle        none of these
//	dead        dead is set: the peer did not answer within 30 s, or the link is down
//
// What an event leads to, with the next state behind an arrow; c is a central, p a
// peripheral. To fail is endPairing, with idle behind it. "To invite" is to send a
// Security Request; refusing a bonded central ends the invitation.
//
//	                   idle                  inviting      pairing         delivering     saving
//	Pair             c request → pairing     –             wait            wait           wait
//	                 p invite → inviting     wait          wait            wait           wait
//	Encrypt          c encrypt               –             wait            (encrypted)    encrypt
//	                 p invite → inviting     wait          wait            (encrypted)    invite
//	Pairing Request  p respond → pairing,    as in idle    fail            fail           postpone
//	                   or refuse
//	Security Request c encrypt, request      –             ignore          postpone       postpone
//	                   → pairing, or refuse
//	Pairing Failed     ignore                fail          fail            fail           ignore
//	other PDU          ignore                ignore        answer; the     fail           ignore
//	                                                       last one
//	                                                       → delivering
//	bond encrypts      –                     → idle        –               –              –
//	PDUs delivered     –                     –             –               → saving, or   –
//	                                                                       idle
//	bond written       –                     –             –               –              → idle
//	30 s               –                     → dead        → dead          as delivered   –
//
// Encryption is no state of pairing: the bond may encrypt the link in all states but
// pairing and delivering, and the new key does in pairing. The controller reports the
// end of an encryption to the two roles in different ways, so that it comes in by two
// doors:
//
//	            begins                             ends
//	central     encryptWithBond or applyEffects    handleEncryptionDone, a callback of the Link
//	peripheral  answerKeyRequest                   handleEncryptionEvent, called by Event

// Machine is the Security Manager of one link and the handler of its SMP channel.
// Pair, Encrypt, Sign and Verify wait: any goroutine but the loop may call them.
// NeedsMITM, Security and Peer may be called anywhere. The other methods must run
// on the loop.
type Machine struct {
	mgr     *Manager
	ch      Channel
	link    Link
	changed func(now time.Time)
	private bool // this host uses a private address on the link; never changes

	refused  atomic.Bool // see SecurityRefused
	security atomic.Pointer[Security]
	peer     atomic.Pointer[hci.Addr]

	// The rest belongs to the loop.
	bond *Bond
	// suspended says that the bond does not encrypt the link by itself, until a pairing
	// replaces it: see SuspendBond.
	suspended bool

	// attempt excludes invitation and saving. These two may meet: if a link has lost
	// its encryption while the new bond is being written, Encrypt invites the central.
	attempt    *attempt
	invitation *invitation
	saving     bool

	// encryption is what the link will have if the encryption under way succeeds; its
	// Bonded says that the key is the bond's. nil: no encryption is under way.
	encryption *Security
	// proven says that the link is or was encrypted with the key of the bond: the peer
	// has that key.
	proven bool

	// postponed is a request of the peer that came in delivering or saving, or while the
	// key of a canceled pairing encrypts the link: a Security Request if this host is the
	// central, else a Pairing Request. The latter is void after postponedUntil, when the
	// central has given up.
	postponed      command
	postponedUntil time.Time

	pairs    []caller       // of Pair, waiting for this pairing or for one after it
	encrypts []chan outcome // of Encrypt, waiting for encryption
	// pausing says that a timer keeps pairs from beginning their own pairings since
	// the last one failed. It excludes nothing: the peer may begin one meanwhile.
	pausing bool

	dead  error         // what ended SMP on the link
	flood flood.Counter // of PDUs: nearly every one has an answer
}

// invitation is a Security Request of this host, which the central answers by
// encryption or by a Pairing Request.
type invitation struct {
	pair *PairOptions // of the pairing that it is for; nil if it is for encryption alone
}

// isFor reports whether it was the caller's options that led to the invitation.
func (i *invitation) isFor(c caller) bool { return i.pair == c.options }

// outcome is what a waiting caller gets.
type outcome struct {
	result *Result
	err    error
}

// Result describes a pairing that has succeeded.
type Result struct {
	Method   Method
	Security Security
	// Bond is the bond that was saved; nil if none was.
	Bond *Bond
}

// NewMachine makes the Machine of a link. It must run on the loop. changed, which
// may be nil, is called on the loop whenever the result of Security has changed.
// If this host is the central and has a bond with the peer, encryption begins at
// once, except after SuspendBond.
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
	x.suspended = x.bond != nil && m.suspended.hasPeer(peer)
	if x.bond != nil && link.Role() == hci.RoleCentral && x.checkBond() == nil && !x.suspended {
		x.encryptWithBond()
	}
	return x
}

// Security returns how the link is protected now. It does not wait, and may be
// called on the loop too.
func (m *Machine) Security() Security { return *m.security.Load() }

// SecurityRefused reports whether this host, as central, has refused a Security Request
// of the peer on this link: the peer asked for encryption or pairing, and may end the
// link for want of it. It does not wait, and may be called on the loop too.
func (m *Machine) SecurityRefused() bool { return m.refused.Load() }

// Peer returns the peer's identity address, or the address of the link while the
// identity is unknown. It does not wait, and may be called on the loop too.
func (m *Machine) Peer() hci.Addr { return *m.peer.Load() }

// NeedsMITM reports whether Pair with o refuses a pairing without protection
// against a man in the middle: because of o, which may be nil, or of the Config.
// It does not wait, and may be called on the loop too.
func (m *Machine) NeedsMITM(o *PairOptions) bool { return m.mgr.cfg.needsMITM(o) }

// Frame handles a PDU of the peer. It must run on the loop.
func (m *Machine) Frame(now time.Time, pdu []byte) {
	if m.dead != nil || !m.flood.Admit(m.ch.Room()) {
		return // a pairing that misses the PDU times out
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
	if m.attempt == nil {
		m.handleIdlePDU(now, p)
		return
	}
	if pairing := m.attempt.pairing; p.Code() == codeSecurityRequest && pairing.initiator {
		if pairing.done { // otherwise this pairing is the answer (2.4.6)
			m.postponed = p
		}
		return
	}
	m.advancePairing(now, p)
}

// Writable is called when the peer has taken the PDUs that were sent. It must run
// on the loop.
func (m *Machine) Writable(time.Time) { m.flood = flood.Counter{} }

// Expire is called when the peer has been silent for 30 s. It must run on the
// loop.
func (m *Machine) Expire(now time.Time) {
	if m.attempt == nil && m.invitation == nil {
		return
	}
	if m.attempt != nil && m.attempt.pairing.done {
		m.finishPairing(now) // all that is missing is the controller's acknowledgment
		return
	}
	m.dead = fmt.Errorf("smp: %w", ErrTimeout)
	m.endPairing(now, m.dead)
}

// Down is called when the link has ended. It must run on the loop.
func (m *Machine) Down(now time.Time, cause error) {
	m.dead, m.encryption = fmt.Errorf("smp: %w", cause), nil
	m.security.Store(&Security{Bonded: m.bond != nil})
	m.changed(now)
	m.endPairing(now, m.dead)
}

// sendPDU sends a PDU and gives the peer 30 s for its own.
func (m *Machine) sendPDU(now time.Time, p command) {
	m.logEvent(levelPacket, "sent", "pdu", p.Code())
	m.ch.Send(p.AppendPDU(nil))
	m.ch.SetDeadline(now.Add(timeout))
}

// stopIdleTimer stops the timer unless a PDU of the peer is awaited.
func (m *Machine) stopIdleTimer() {
	if m.attempt == nil && m.invitation == nil {
		m.ch.SetDeadline(time.Time{})
	}
}

func (m *Machine) logEvent(level slog.Level, msg string, args ...any) {
	ctx := context.Background()
	if m.mgr.log.Enabled(ctx, level) {
		m.mgr.log.Log(ctx, level, "smp: "+msg, append(args, "peer", m.Peer())...)
	}
}
