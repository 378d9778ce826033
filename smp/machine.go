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

// Link is the link that a Machine runs on; *controller.Link implements it. Its methods
// are called on the loop.
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

// The phases of pairing on a link are the types of phase.go, one of which is the value of
// Machine.phase:
//
//	idle        none of the others
//	inviting    the central has not reacted to our Security Request
//	exchanging  PDUs are exchanged
//	delivering  the peer has yet to receive our last PDUs
//	saving      the new bond is being written; a link that has lost its encryption may
//	            invite meanwhile (saving.reencrypt)
//	dead        the peer did not answer within 30 s, or the link is down
//
// What an event leads to, with the next phase behind an arrow; c is a central, p a
// peripheral. To fail is endPairing, with idle behind it. "To invite" is to send a
// Security Request; refusing a bonded central ends the invitation. In the phase dead every
// call returns the cause, and every other event is ignored.
//
//	                   idle                  inviting      exchanging      delivering     saving
//	Pair             c request → exchanging  –             wait            wait           wait
//	                 p invite → inviting     wait, or busy wait            wait           wait
//	last caller        –                     invite for    fail, if this   fail, if this  –
//	  leaves                                 others → idle host began      host began
//	Encrypt          c encrypt               –             wait            (encrypted)    encrypt
//	                 p invite → inviting     wait          wait            (encrypted)    reencrypt
//	Pairing Request  p respond →             as in idle    fail            fail           postpone
//	                   exchanging, or refuse
//	Security Request c encrypt, request      –             ignore          postpone       postpone
//	                   → exchanging, or
//	                   refuse
//	the same by the    refuse                refuse        fail            fail           refuse
//	  other role
//	Pairing Failed     ignore                fail          fail            fail           end reencrypt
//	malformed PDU      refuse if a Pairing   as in idle    fail            fail           as in idle
//	                   Request, or ignore
//	other PDU          ignore                ignore        answer; the     fail           ignore
//	                                                       last one
//	                                                       → delivering
//	bond encrypts      –                     → idle        –               –              end reencrypt
//	encryption fails   –                     –             fail            –              –
//	PDUs delivered     –                     –             –               → saving, or   –
//	                                                                       idle
//	bond written       –                     –             –               –              → idle, or
//	                                                                                      inviting
//	30 s               –                     → dead        → dead          as delivered   → dead, if
//	                                                                                      reencrypt
//	link down          → dead                → dead        → dead          → dead         → dead
//	end of the pause   begin for the         the same      –               –              –
//	                   waiting callers
//
// The pause keeps callers of Pair, which wait for it, from beginning in the first two
// phases after a failure. It is a flag and no phase: the peer may begin meanwhile.
//
// Encryption is no phase of pairing: the bond may encrypt the link in all phases but
// exchanging and delivering, and the new key does in exchanging. The controller reports the
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

	phase phase

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

	flood flood.Counter // of PDUs: nearly every one has an answer
}

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
	x := &Machine{mgr: m, ch: ch, link: link, changed: changed, private: own.IsResolvable(), phase: idle{}}
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
	if m.deadCause() != nil || !m.flood.Admit(m.ch.Room()) {
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
	a := m.attempt()
	if a == nil {
		m.handleIdlePDU(now, p)
		return
	}
	if p.Code() == codeSecurityRequest && a.pairing.initiator {
		if _, ok := m.phase.(delivering); ok { // otherwise this pairing is the answer (2.4.6)
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
	if _, ok := m.phase.(delivering); ok {
		m.finishPairing(now) // all that is missing is the controller's acknowledgment
		return
	}
	if m.attempt() != nil || m.invitation() != nil {
		m.endMachine(now, fmt.Errorf("smp: %w", ErrTimeout))
	}
}

// Down is called when the link has ended. It must run on the loop.
func (m *Machine) Down(now time.Time, cause error) {
	err := fmt.Errorf("smp: %w", cause)
	a := m.attempt()
	m.phase, m.encryption = dead{err}, nil
	m.security.Store(&Security{Bonded: m.bond != nil})
	m.changed(now)
	m.settleFailure(now, a, err)
}

// sendPDU sends a PDU and gives the peer 30 s for its own.
func (m *Machine) sendPDU(now time.Time, p command) {
	m.logEvent(levelPacket, "sent", "pdu", p.Code())
	m.ch.Send(p.AppendPDU(nil))
	m.ch.SetDeadline(now.Add(timeout))
}

// stopIdleTimer stops the timer unless a PDU of the peer is awaited.
func (m *Machine) stopIdleTimer() {
	if m.attempt() == nil && m.invitation() == nil {
		m.ch.SetDeadline(time.Time{})
	}
}

func (m *Machine) logEvent(level slog.Level, msg string, args ...any) {
	ctx := context.Background()
	if m.mgr.log.Enabled(ctx, level) {
		m.mgr.log.Log(ctx, level, "smp: "+msg, append(args, "peer", m.Peer())...)
	}
}
