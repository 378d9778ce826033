package smp

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/hci"
)

// handleIdlePDU takes a PDU while no pairing goes on.
func (m *Machine) handleIdlePDU(now time.Time, p command) {
	central := m.link.Role() == hci.RoleCentral
	switch p := p.(type) {
	case pairingRequest:
		if central { // it is the central that asks (3.5.1)
			m.refusePeer(now, localError(ReasonCommandNotSupported, "a Pairing Request from the peripheral"))
			return
		}
		m.handlePairingRequest(now, p)
	case securityRequest:
		if !central {
			m.refusePeer(now, localError(ReasonCommandNotSupported, "a Security Request from the central"))
			return
		}
		m.handleSecurityRequest(now)
	case pairingFailed:
		m.held = nil
		if m.wanted {
			m.endPairing(now, &Error{Reason: p.Reason})
		}
	default: // a late PDU of a pairing that is over
		m.logEvent(levelPacket, "PDU ignored, nothing goes on", "pdu", p.Code())
	}
}

// errPairsInstead is how it shows that a central has lost its bond.
var errPairsInstead = errors.New("it wants to pair instead of encrypting")

// handlePairingRequest is a central that wants to pair.
func (m *Machine) handlePairingRequest(now time.Time, req pairingRequest) {
	switch {
	case m.saving && m.held == nil: // the central may be done with saving before us
		m.held, m.heldUntil = &req, now.Add(timeout)
		return
	case m.saving || m.pending != nil:
		m.refusePeer(now, localError(ReasonUnspecified, "%w", ErrBusy))
		return
	case m.bond != nil && !m.mayPairAgain():
		m.refusePeer(now, localError(ReasonPairingNotSupported, "%w", ErrBonded))
		m.wanted = false
		m.stopIdleTimer()
		err := m.checkBond()
		if err == nil {
			err = m.lostBondError(errPairsInstead)
		}
		m.tell(&m.encrypts, outcome{err: err})
		return
	case m.mgr.cfg.DisableIncoming && m.wish == nil:
		m.refusePeer(now, localError(ReasonPairingNotSupported, "not wanted"))
		return
	case m.mgr.backoff.blocks(now, m.Peer()):
		m.refusePeer(now, localError(ReasonRepeatedAttempts, "too soon after a failure"))
		return
	}
	o := m.wish
	own, peer := m.link.OnAir()
	set, d := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	p, err := newResponder(set, own, peer, req)
	// A bond that could not be kept is not made: the central would keep it.
	if b := m.bond; err == nil && b != nil && (o == nil || !o.Replace) && !p.linkSecurity().atLeast(b.linkSecurity()) {
		p, err = nil, localError(ReasonAuthenticationRequirements, "the new bond with %v would be weaker than the old one", b.Peer)
	}
	m.beginPairing(now, p, err, o, d)
}

// mayPairAgain reports whether a bonded central may pair: the program says so,
// or the central has shown that it has the key.
func (m *Machine) mayPairAgain() bool {
	return m.wish != nil && m.wish.Replace || m.mgr.cfg.AllowRepair || m.provenNow()
}

// provenNow reports whether the link is encrypted with the key of the bond.
func (m *Machine) provenNow() bool { return m.proven && m.Security().Encrypted }

// handleSecurityRequest is a peripheral that wants the link to be encrypted. A bond
// is used, never removed, whatever the request asks for: it proves nothing about
// who sent it (CVE-2025-62235). On an encrypted link that changes the key of
// the session, which the peripheral waits for (2.4.6).
func (m *Machine) handleSecurityRequest(now time.Time) {
	switch {
	case m.pending != nil && m.byBond: // under way
	case m.pending != nil || m.saving:
		m.asked = true
	case m.bond != nil && m.checkBond() == nil && !m.unknownToPeer() && (m.proven || !m.Security().Encrypted):
		m.encryptWithBond(now)
	case m.bond != nil || m.mgr.cfg.DisableIncoming || m.Security().Encrypted:
		m.refusePeer(now, localError(ReasonPairingNotSupported, "not wanted"))
	case m.mgr.backoff.blocks(now, m.Peer()):
		m.refusePeer(now, localError(ReasonRepeatedAttempts, "too soon after a failure"))
	default:
		m.initiatePairing(now, nil)
	}
}

// handlePostponed takes up a Security Request that came while a pairing was ending, or a
// Pairing Request: the peer waits for its answer, for as long as it may.
func (m *Machine) handlePostponed(now time.Time) {
	if m.p != nil || m.saving || m.pending != nil || m.dead != nil {
		return
	}
	asked, held := m.asked, m.held
	m.asked, m.held = false, nil
	switch {
	case asked:
		m.handleSecurityRequest(now)
	case held != nil && now.Before(m.heldUntil):
		m.handlePairingRequest(now, *held)
	}
}

// initiatePairing pairs as central.
func (m *Machine) initiatePairing(now time.Time, o *PairOptions) {
	m.asked = false // a Pairing Request is an answer
	own, peer := m.link.OnAir()
	set, d := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	m.beginPairing(now, newInitiator(set, own, peer), nil, o, d)
}

// sendSecurityRequest asks the central to act.
func (m *Machine) sendSecurityRequest(now time.Time, o *PairOptions) {
	own, _ := m.link.OnAir()
	set, _ := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	m.wanted, m.wish = true, o
	m.sendPDU(now, securityRequest{set.auth})
}

// finishPairing is where all keys are there.
func (m *Machine) finishPairing(now time.Time) {
	p, r := m.p, m.run
	b := p.newBond(now)
	if err := m.checkReplacement(b, r.options); err != nil {
		m.endPairing(now, err)
		return
	}
	m.p, m.run = nil, nil
	m.stopIdleTimer()
	m.mgr.backoff.forgetPeer(m.Peer())
	m.logEvent(levelLink, "paired", "method", p.method, "bond", b != nil)
	result := &Result{Method: p.method, Security: m.Security(), Bond: b}
	if b == nil {
		r.endAttempt(nil)
		waiting := m.pairs
		m.pairs = nil
		m.settlePairs(now, waiting, r, outcome{result: result})
		m.handlePostponed(now)
		return
	}
	m.saving = true
	m.mgr.unsaved.putBond(b)
	go m.saveBond(b, r, result)
}

// checkReplacement refuses a bond that would replace another without leave: peers name
// their identity themselves, and must not take that of somebody else.
func (m *Machine) checkReplacement(b *Bond, o *PairOptions) error {
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
		return localError(ReasonAuthenticationRequirements, "%w", old.Damaged)
	case !same || !leave:
		return localError(ReasonAuthenticationRequirements, "%w %v", ErrBonded, b.Peer)
	case !b.linkSecurity().atLeast(old.linkSecurity()):
		return localError(ReasonAuthenticationRequirements, "the new bond with %v would be weaker than the old one", b.Peer)
	}
	return nil
}

// wasProven reports whether the pairing began on a link that was encrypted with
// the key of the bond.
func (m *Machine) wasProven() bool { return m.run.proven }
