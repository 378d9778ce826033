package smp

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/hci"
)

// handleIdlePDU handles a PDU of the peer while no attempt is under way.
func (m *Machine) handleIdlePDU(now time.Time, p command) {
	central := m.link.Role() == hci.RoleCentral
	switch p := p.(type) {
	case pairingRequest:
		if central { // only the central sends one (3.5.1)
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
		m.dropPairingRequest()
		if m.invitation() != nil {
			m.endPairing(now, &Error{Reason: p.Reason})
		}
	default: // a late PDU of a pairing that has ended
		m.logEvent(levelPacket, "PDU ignored, no pairing is under way", "pdu", p.Code())
	}
}

// handleMalformed ends the pairing under way, or refuses one that the PDU would
// have begun. Otherwise the PDU has no effect.
func (m *Machine) handleMalformed(now time.Time, pdu []byte, err error) {
	m.logEvent(levelPacket, "malformed PDU", "error", err)
	e := &Error{Reason: ReasonInvalidParameters, Local: true, Err: err}
	switch {
	case m.attempt() != nil:
		m.endPairing(now, e)
	case len(pdu) > 0 && code(pdu[0]) == codePairingRequest:
		m.refusePeer(now, e)
		m.mgr.backoff.addFailure(now, m.Peer())
	}
}

// errPairsInstead is the sign by which a central shows that it has lost its bond.
var errPairsInstead = errors.New("it wants to pair instead of encrypting")

// handlePairingRequest answers a central that wants to pair.
func (m *Machine) handlePairingRequest(now time.Time, req pairingRequest) {
	switch {
	case m.isSaving() && m.postponed == nil: // the central may have saved its bond before us
		m.postponed, m.postponedUntil = req, now.Add(timeout)
		return
	case m.isSaving() || m.encryption != nil:
		m.refusePeer(now, localError(ReasonUnspecified, "%w", ErrBusy))
		return
	case m.bond != nil && !m.mayPairAgain():
		m.refuseBonded(now)
		return
	case m.mgr.cfg.DisableIncoming && m.invitedPairing() == nil:
		m.refusePeer(now, localError(ReasonPairingNotSupported, "not wanted"))
		return
	case m.mgr.backoff.blocks(now, m.Peer()):
		m.refusePeer(now, localError(ReasonRepeatedAttempts, "too soon after a failure"))
		return
	}
	o := m.invitedPairing()
	if m.bond == nil && o == nil && req.Auth.bonds() {
		if err := m.mgr.checkRoom(); err != nil {
			m.refusePeer(now, localError(ReasonPairingNotSupported, "%w", err))
			return
		}
	}
	own, peer := m.link.OnAir()
	set, d := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	p, err := newResponder(set, own, peer, req)
	// A bond that could not be saved is refused now: the central would keep its side.
	if b := m.bond; err == nil && b != nil && (o == nil || !o.Replace) && !p.linkSecurity().atLeast(b.keySecurity()) {
		p, err = nil, weakerBondError(b.Peer)
	}
	m.beginPairing(now, p, err, o, d)
}

// refuseBonded refuses to pair with a central that has a bond, which ends the wait
// for it to encrypt with the bond.
func (m *Machine) refuseBonded(now time.Time) {
	m.refusePeer(now, localError(ReasonPairingNotSupported, "%w", ErrBonded))
	m.setInvitation(nil)
	m.stopIdleTimer()
	err := m.checkBond()
	if err == nil {
		err = m.lostBondError(errPairsInstead)
	}
	m.answerEncrypts(outcome{err: err})
}

// mayPairAgain reports whether a bonded central may pair: because the program
// permits it, or because the central has shown that it has the key.
func (m *Machine) mayPairAgain() bool {
	o := m.invitedPairing()
	return o != nil && o.Replace || m.mgr.cfg.AllowRepair || m.provenNow()
}

// provenNow reports whether the link is encrypted with the key of the bond.
func (m *Machine) provenNow() bool { return m.proven && m.Security().Encrypted }

// handleSecurityRequest answers a peripheral that wants the link to be encrypted. A
// bond is used and never removed, whatever the request asks for: the request proves
// nothing about its sender (CVE-2025-62235). On an encrypted link it changes the key
// of the session, which the peripheral waits for (2.4.6).
func (m *Machine) handleSecurityRequest(now time.Time) {
	encrypted := m.Security().Encrypted
	switch {
	case m.encryption != nil && m.encryption.Bonded: // encryption is the answer
	case m.encryption != nil || m.isSaving():
		m.postponed = securityRequest{}
	case m.suspended && !encrypted: // the pairing that replaces the bond is the answer
	case m.bond != nil && m.checkBond() == nil && !m.unknownToPeer() && (m.proven || !encrypted):
		m.encryptWithBond()
	case m.bond != nil || m.mgr.cfg.DisableIncoming || encrypted:
		m.refused.Store(true)
		m.refusePeer(now, localError(ReasonPairingNotSupported, "not wanted"))
	case m.mgr.backoff.blocks(now, m.Peer()):
		m.refused.Store(true)
		m.refusePeer(now, localError(ReasonRepeatedAttempts, "too soon after a failure"))
	default:
		if err := m.mgr.checkRoom(); err != nil {
			m.refused.Store(true)
			m.refusePeer(now, localError(ReasonPairingNotSupported, "%w", err))
			return
		}
		m.initiatePairing(now, nil)
	}
}

// handlePostponed answers the request of the peer that came at a bad time, unless
// it is a bad time still. The peer waits for the answer, though not for ever.
func (m *Machine) handlePostponed(now time.Time) {
	if m.attempt() != nil || m.isSaving() || m.encryption != nil || m.deadCause() != nil {
		return
	}
	p := m.postponed
	m.postponed = nil
	switch p := p.(type) {
	case securityRequest:
		m.handleSecurityRequest(now)
	case pairingRequest:
		if now.Before(m.postponedUntil) {
			m.handlePairingRequest(now, p)
		}
	}
}

// dropPairingRequest forgets a Pairing Request that was postponed.
func (m *Machine) dropPairingRequest() {
	if _, ok := m.postponed.(pairingRequest); ok {
		m.postponed = nil
	}
}

// refusePeer answers a PDU that begins no pairing with Pairing Failed, which answers
// a postponed Pairing Request too.
func (m *Machine) refusePeer(now time.Time, e *Error) {
	m.logEvent(levelLink, "pairing refused", "error", e)
	m.dropPairingRequest()
	m.sendPDU(now, pairingFailed{e.Reason})
	m.stopIdleTimer()
}

// initiatePairing pairs as central.
func (m *Machine) initiatePairing(now time.Time, o *PairOptions) {
	own, peer := m.link.OnAir()
	set, d := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	m.beginPairing(now, newInitiator(set, own, peer), nil, o, d)
}

// inviteCentral asks the central to pair with o, or to encrypt if o is nil.
func (m *Machine) inviteCentral(now time.Time, o *PairOptions) {
	own, _ := m.link.OnAir()
	set, _ := m.mgr.cfg.settings(o, m.mgr.Identity(), own)
	m.setInvitation(&invitation{pair: o})
	m.sendPDU(now, securityRequest{set.auth})
}
