package smp

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/hci"
)

// idle takes a PDU while no pairing goes on.
func (m *Machine) idle(now time.Time, p command) {
	central := m.link.Role() == hci.RoleCentral
	switch p := p.(type) {
	case pairingRequest:
		if central { // it is the central that asks (3.5.1)
			m.refuse(now, fail(ReasonCommandNotSupported, "a Pairing Request from the peripheral"))
			return
		}
		m.pairingRequest(now, p)
	case securityRequest:
		if !central {
			m.refuse(now, fail(ReasonCommandNotSupported, "a Security Request from the central"))
			return
		}
		m.securityRequest(now)
	case pairingFailed:
		m.held = nil
		if m.wanted {
			m.over(now, &Error{Reason: p.Reason})
		}
	default: // a late PDU of a pairing that is over
		m.log(levelPacket, "PDU ignored, nothing goes on", "pdu", p.Code())
	}
}

// errPairsInstead is how it shows that a central has lost its bond.
var errPairsInstead = errors.New("it wants to pair instead of encrypting")

// pairingRequest is a central that wants to pair.
func (m *Machine) pairingRequest(now time.Time, req pairingRequest) {
	switch {
	case m.saving && m.held == nil: // the central may be done with saving before us
		m.held, m.heldUntil = &req, now.Add(timeout)
		return
	case m.saving || m.pending != nil:
		m.refuse(now, fail(ReasonUnspecified, "%w", ErrBusy))
		return
	case m.bond != nil && !m.mayPairAgain():
		m.refuse(now, fail(ReasonPairingNotSupported, "%w", ErrBonded))
		m.wanted = false
		m.rest()
		err := m.unusable()
		if err == nil {
			err = m.lost(errPairsInstead)
		}
		m.tell(&m.encrypts, outcome{err: err})
		return
	case m.mgr.cfg.DisableIncoming && m.wish == nil:
		m.refuse(now, fail(ReasonPairingNotSupported, "not wanted"))
		return
	case m.mgr.backoff.blocks(now, m.Peer()):
		m.refuse(now, fail(ReasonRepeatedAttempts, "too soon after a failure"))
		return
	}
	o := m.wish
	own, peer := m.link.OnAir()
	set, d := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	p, err := newResponder(set, own, peer, req)
	// A bond that could not be kept is not made: the central would keep it.
	if b := m.bond; err == nil && b != nil && (o == nil || !o.Replace) && !p.security().atLeast(b.security()) {
		p, err = nil, fail(ReasonAuthenticationRequirements, "the new bond with %v would be weaker than the old one", b.Peer)
	}
	m.begin(now, p, err, o, d)
}

// mayPairAgain reports whether a bonded central may pair: the program says so,
// or the central has shown that it has the key.
func (m *Machine) mayPairAgain() bool {
	return m.wish != nil && m.wish.Replace || m.mgr.cfg.AllowRepair || m.provenNow()
}

// provenNow reports whether the link is encrypted with the key of the bond.
func (m *Machine) provenNow() bool { return m.proven && m.Security().Encrypted }

// securityRequest is a peripheral that wants the link to be encrypted. A bond
// is used, never removed, whatever the request asks for: it proves nothing about
// who sent it (CVE-2025-62235). On an encrypted link that changes the key of
// the session, which the peripheral waits for (2.4.6).
func (m *Machine) securityRequest(now time.Time) {
	switch {
	case m.pending != nil && m.byBond: // under way
	case m.pending != nil || m.saving:
		m.asked = true
	case m.bond != nil && m.unusable() == nil && !m.stranger() && (m.proven || !m.Security().Encrypted):
		m.startEncryption(now)
	case m.bond != nil || m.mgr.cfg.DisableIncoming || m.Security().Encrypted:
		m.refuse(now, fail(ReasonPairingNotSupported, "not wanted"))
	case m.mgr.backoff.blocks(now, m.Peer()):
		m.refuse(now, fail(ReasonRepeatedAttempts, "too soon after a failure"))
	default:
		m.initiate(now, nil)
	}
}

// catchUp takes up a Security Request that came while a pairing was ending, or a
// Pairing Request: the peer waits for its answer, for as long as it may.
func (m *Machine) catchUp(now time.Time) {
	if m.p != nil || m.saving || m.pending != nil || m.dead != nil {
		return
	}
	asked, held := m.asked, m.held
	m.asked, m.held = false, nil
	switch {
	case asked:
		m.securityRequest(now)
	case held != nil && now.Before(m.heldUntil):
		m.pairingRequest(now, *held)
	}
}

// initiate pairs as central.
func (m *Machine) initiate(now time.Time, o *PairOptions) {
	m.asked = false // a Pairing Request is an answer
	own, peer := m.link.OnAir()
	set, d := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	m.begin(now, newInitiator(set, own, peer), nil, o, d)
}

// request asks the central to act.
func (m *Machine) request(now time.Time, o *PairOptions) {
	own, _ := m.link.OnAir()
	set, _ := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	m.wanted, m.wish = true, o
	m.send(now, securityRequest{set.auth})
}

// finish is where all keys are there.
func (m *Machine) finish(now time.Time) {
	p, r := m.p, m.run
	b := p.bond(now)
	if err := m.mayKeep(b, r.options); err != nil {
		m.over(now, err)
		return
	}
	m.p, m.run = nil, nil
	m.rest()
	m.mgr.backoff.forgetPeer(m.Peer())
	m.log(levelLink, "paired", "method", p.method, "bond", b != nil)
	result := &Result{Method: p.method, Security: m.Security(), Bond: b}
	if b == nil {
		r.end(nil)
		waiting := m.pairs
		m.pairs = nil
		m.settle(now, waiting, r, outcome{result: result})
		m.catchUp(now)
		return
	}
	m.saving = true
	m.mgr.unsaved.put(b)
	go m.save(b, r, result)
}

// mayKeep refuses a bond that would replace another without leave: peers name
// their identity themselves, and must not take that of somebody else.
func (m *Machine) mayKeep(b *Bond, o *PairOptions) error {
	if b == nil {
		return nil
	}
	old, ok := m.mgr.Find(b.Peer) // one that is yet to be saved too
	if !ok {
		return nil
	}
	// A damaged bond could not resolve the peer's private address.
	same := m.bond != nil && m.bond.Peer == old.Peer || m.bond == nil && old.Damaged != nil
	leave := o != nil && o.Replace || m.mgr.cfg.AllowRepair || m.wasProven()
	switch {
	case old.Damaged != nil && !leave:
		return fail(ReasonAuthenticationRequirements, "%w", old.Damaged)
	case !same || !leave:
		return fail(ReasonAuthenticationRequirements, "%w %v", ErrBonded, b.Peer)
	case !b.security().atLeast(old.security()):
		return fail(ReasonAuthenticationRequirements, "the new bond with %v would be weaker than the old one", b.Peer)
	}
	return nil
}

// wasProven reports whether the pairing began on a link that was encrypted with
// the key of the bond.
func (m *Machine) wasProven() bool { return m.run.proven }
