package smp

import (
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// beginPairing makes p the pairing under way. p is nil if it is refused before it
// begins, with err.
func (m *Machine) beginPairing(now time.Time, p *pairing, err error, o *PairOptions, d Delegate) {
	m.setInvitation(nil)
	m.postponed = nil
	if p == nil {
		m.endPairing(now, err)
		m.mgr.backoff.addFailure(now, m.Peer())
		return
	}
	m.phase = exchanging{newAttempt(m, p, o, d)}
	m.applyEffects(now, p.takeEffects(), err)
}

// advancePairing lets the pairing under way handle in: a PDU or one of the other
// inputs of a pairing.
func (m *Machine) advancePairing(now time.Time, in any) {
	a := m.attempt()
	err := a.pairing.advance(in)
	m.applyEffects(now, a.pairing.takeEffects(), err)
}

// applyEffects carries out what a step of the pairing asks for. err ends the
// pairing.
func (m *Machine) applyEffects(now time.Time, fx effects, err error) {
	for _, pdu := range fx.send {
		m.sendPDU(now, pdu)
	}
	if err != nil {
		m.endPairing(now, err)
		return
	}
	a := m.attempt()
	if fx.ask != nil {
		a.askDelegate(*fx.ask)
	}
	if fx.encrypt != nil {
		m.expectEncryption(a.pairing.linkSecurity(), false)
		expected := m.encryption
		m.link.StartEncryption([8]byte{}, 0, *fx.encrypt, func(now time.Time, err error) {
			switch {
			case m.attempt() == a:
				m.handleEncryptionDone(now, err)
			case m.encryption == expected: // the pairing was given up meanwhile
				m.encryption = nil
				m.answerEncrypts(outcome{err: fmt.Errorf("smp: encrypt: the pairing was %w", ErrCanceled)})
				m.handlePostponed(now)
			}
		})
	}
	if fx.done {
		m.phase = delivering{a}
		// A caller that learns of the success may end the link at once. The peer must
		// have received the last keys by then, or it would lack the bond.
		m.link.OnDelivered(func(now time.Time) {
			if m.attempt() == a {
				m.finishPairing(now)
			}
		})
	}
}

// finishPairing ends a pairing that has succeeded. If both sides bond, its callers
// wait on until the bond is saved.
func (m *Machine) finishPairing(now time.Time) {
	a := m.attempt()
	b := a.pairing.newBond(now)
	if b != nil && a.pairing.claimsOtherIdentity() {
		m.logEvent(levelLink, "identity address of the peer ignored: it uses another fixed address on air", "stated", *a.pairing.dist.peerAddr)
	}
	if err := m.checkReplacement(b, a); err != nil {
		m.endPairing(now, err)
		return
	}
	m.phase = idle{}
	m.stopIdleTimer()
	m.mgr.backoff.forgetPeer(m.Peer())
	m.logEvent(levelLink, "paired", "method", a.pairing.method, "bond", b != nil)
	result := &Result{Method: a.pairing.method, Security: m.Security(), Bond: b}
	if b == nil {
		m.settleAttempt(now, a, outcome{result: result})
		return
	}
	m.phase = saving{}
	m.mgr.unsaved.putBond(b)
	m.mgr.saves.Add(1)
	go m.saveBond(b, a, result)
}

// checkReplacement refuses a bond that would replace another one without
// permission. Peers state their identity themselves, and must not take over that
// of another device.
func (m *Machine) checkReplacement(b *Bond, a *attempt) error {
	if b == nil {
		return nil
	}
	old, ok := m.mgr.Find(b.Peer) // one that is yet to be saved too
	if !ok && a.options != nil {
		return nil
	}
	if !ok {
		if err := m.mgr.checkRoom(); err != nil { // another peer has made its bond meanwhile
			return localError(ReasonKeyRejected, "%w", err)
		}
		return nil
	}
	// A damaged bond could not resolve the peer's private address.
	same := m.bond != nil && m.bond.Peer == old.Peer || m.bond == nil && old.Damaged != nil
	allowed := a.options != nil && a.options.Replace || m.mgr.cfg.AllowRepair || a.proven
	switch {
	case old.Damaged != nil && !allowed:
		return localError(ReasonAuthenticationRequirements, "%w", old.Damaged)
	case !same || !allowed:
		return localError(ReasonAuthenticationRequirements, "%w %v", ErrBonded, b.Peer)
	case !b.keySecurity().atLeast(old.keySecurity()):
		return weakerBondError(b.Peer)
	}
	return nil
}

func weakerBondError(peer hci.Addr) *Error {
	return localError(ReasonAuthenticationRequirements, "the new bond with %v would be weaker than the old one", peer)
}

// saveBond writes a new bond, on a goroutine of its own, and tells the callers. It
// goes on after the end of the link: the peer has the keys. It takes one from the
// Manager's saves.
func (m *Machine) saveBond(b *Bond, a *attempt, result *Result) {
	kept, err := m.mgr.store.saveNewBond(b)
	posted := m.ch.Post(loop.Func(func(now time.Time) {
		m.endSaving()
		if err == nil {
			kept = m.adoptBond(b, kept)
			result.Security = m.Security()
			m.changed(now)
		}
		if !kept {
			result.Bond = nil
		}
		m.settleAttempt(now, a, outcome{result, err})
	}))
	if !posted { // the link is down, and with it all callers have returned
		a.endAttempt(err)
	}
}

// adoptBond takes over the bond that the Manager has for the peer after b was saved,
// or was not, and reports whether it is b: another goroutine may have removed or
// replaced it.
func (m *Machine) adoptBond(b *Bond, saved bool) (kept bool) {
	now, ok := m.mgr.Find(b.Peer)
	kept = saved && ok && now.sameKeys(b)
	m.bond, m.proven = now, kept
	m.peer.Store(&b.Peer)
	s := m.Security()
	s.Bonded = kept
	m.security.Store(&s)
	return kept
}

// endPairing ends the pairing under way, or an invitation to one, with an error.
func (m *Machine) endPairing(now time.Time, err error) {
	a := m.attempt()
	if a != nil {
		m.phase = idle{}
	}
	m.setInvitation(nil)
	m.settleFailure(now, a, err)
}

// endMachine ends SMP on the link.
func (m *Machine) endMachine(now time.Time, cause error) {
	a := m.attempt()
	m.phase = dead{cause}
	m.settleFailure(now, a, cause)
}

// settleFailure ends a, if it is not nil, and all callers that wait.
func (m *Machine) settleFailure(now time.Time, a *attempt, err error) {
	m.ch.SetDeadline(time.Time{})
	var e *Error
	if errors.As(err, &e) && e.Local && m.deadCause() == nil {
		m.sendPDU(now, pairingFailed{e.Reason})
		m.postponed = nil // Pairing Failed answers it
		m.stopIdleTimer()
	}
	if a != nil {
		m.logEvent(levelLink, "pairing failed", "error", err)
		a.endAttempt(err)
		if !errors.Is(err, ErrCanceled) {
			m.mgr.backoff.addFailure(now, m.Peer())
		}
	}
	if m.encryption == nil { // otherwise encryption has an outcome of its own
		m.answerEncrypts(outcome{err: err})
	}
	m.settlePairs(now, a, outcome{err: err})
	m.handlePostponed(now)
}

// settleAttempt ends an attempt, with its outcome for all who wait for it.
func (m *Machine) settleAttempt(now time.Time, a *attempt, o outcome) {
	a.endAttempt(o.err)
	m.settlePairs(now, a, o)
	m.handlePostponed(now)
}
