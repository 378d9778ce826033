package smp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// expectEncryption notes that encryption is under way, and what the link will have
// after it.
func (m *Machine) expectEncryption(s Security, byBond bool) {
	s.Bonded = byBond // the key of a pairing is the bond's only once it is saved
	m.encryption = &s
}

// checkBond returns why the bond cannot encrypt the link; nil if it is worth trying.
func (m *Machine) checkBond() error {
	switch {
	case m.bond.keyFor(m.link.Role()) == nil:
		return m.bond.noKeyError()
	case m.link.Role() == hci.RolePeripheral && m.unknownToPeer():
		return m.openBondError() // a central has only the address to look its key up by
	}
	return nil
}

// unknownToPeer reports whether the peer of the bond may not know which host this is.
// A peripheral may find its key all the same: by its EDIV and Rand, or as its only
// key.
func (m *Machine) unknownToPeer() bool { return m.private && !m.bond.GaveIRK && !m.proven }

func (m *Machine) openBondError() error { return fmt.Errorf("%v: %w", m.Peer(), ErrOpenBond) }

// lostBondError is the error for a peer that has shown, by err, that it has no key
// for the bond, or does not know that the key is this host's. Any goroutine may call
// it.
func (m *Machine) lostBondError(err error) error {
	if b, ok := m.mgr.Find(m.Peer()); ok && m.private && !b.GaveIRK {
		return fmt.Errorf("smp: encrypt: %w", m.openBondError())
	}
	return &BondLostError{Peer: m.Peer(), Err: err}
}

// encryptWithBond encrypts the link as central, with the key of the bond.
func (m *Machine) encryptWithBond() {
	b := m.bond
	m.expectEncryption(b.keySecurity(), true)
	m.logEvent(levelLink, "encrypting with the bond")
	m.link.StartEncryption(b.Central.Rand, b.Central.EDIV, b.Central.Key, m.handleEncryptionDone)
}

// handleEncryptionDone handles the end of an encryption that this host began as
// central.
func (m *Machine) handleEncryptionDone(now time.Time, err error) {
	if m.encryption == nil {
		return // the link is down
	}
	if err == nil {
		m.handleEncrypted(now)
		return
	}
	byBond := m.encryption.Bonded
	m.encryption = nil
	if byBond && errors.Is(err, hci.StatusKeyMissing) {
		err = m.lostBondError(hci.StatusKeyMissing)
	} else {
		err = fmt.Errorf("smp: encrypt: %w", err)
	}
	m.logEvent(levelLink, "not encrypted", "error", err)
	if m.attempt() != nil {
		m.endPairing(now, keyRefused(err))
	}
	m.answerEncrypts(outcome{err: err})
}

// keyRefused is the failure of a pairing whose key did not encrypt the link.
func keyRefused(err error) *Error {
	if errors.Is(err, hci.StatusAuthenticationFailure) || errors.Is(err, hci.StatusKeyMissing) || errors.Is(err, hci.StatusMICFailure) {
		err = fmt.Errorf("%w: %w", ErrKeysDiffer, err)
	}
	return &Error{Reason: ReasonUnspecified, Local: true, Err: err}
}

// handleEncryptionEvent handles the end of an encryption that this host permitted as
// peripheral. Callers of Encrypt wait on after a failure: the central may try again.
func (m *Machine) handleEncryptionEvent(now time.Time, st hci.Status) {
	switch {
	case m.link.Role() == hci.RoleCentral || m.encryption == nil:
	case st == hci.StatusSuccess:
		m.handleEncrypted(now)
	default:
		m.encryption = nil
		m.logEvent(levelLink, "not encrypted", "status", st)
		if m.attempt() != nil {
			m.endPairing(now, keyRefused(st))
		}
	}
}

// handleEncrypted handles the success of the encryption under way.
func (m *Machine) handleEncrypted(now time.Time) {
	s := m.encryption
	m.encryption, m.proven = nil, s.Bonded
	m.security.Store(s)
	m.logEvent(levelLink, "encrypted", "level", s.Level(), "key_size", s.KeySize)
	m.changed(now) // before the callers return: they rely on its effects
	m.answerEncrypts(outcome{})
	if s.Bonded && m.invitation() != nil { // the central's answer, even if it was to pair
		m.setInvitation(nil)
		m.stopIdleTimer()
		m.settlePairs(now, nil, outcome{err: fmt.Errorf("smp: pair: the central encrypts instead: %w", ErrBonded)})
	}
	if !s.Bonded && m.attempt() != nil {
		m.advancePairing(now, encrypted{})
	}
}

// Event handles an event of the link. It must run on the loop.
func (m *Machine) Event(now time.Time, ev hci.Event) {
	switch ev := ev.(type) {
	case *hci.LELongTermKeyRequest:
		m.answerKeyRequest(ev)
	case *hci.EncryptionChange:
		if ev.Status == hci.StatusSuccess && ev.Enabled == 0 {
			m.security.Store(&Security{Bonded: m.bond != nil})
			m.changed(now)
			m.handleEncryptionEvent(now, hci.StatusUnspecified)
			return
		}
		m.handleEncryptionEvent(now, ev.Status)
	case *hci.EncryptionKeyRefreshComplete:
		m.handleEncryptionEvent(now, ev.Status)
	}
}

// answerKeyRequest answers a central that wants to encrypt. During a pairing the new
// key is the only one that the central gets, once that key is due.
func (m *Machine) answerKeyRequest(ev *hci.LELongTermKeyRequest) {
	var pairing *pairing
	if a := m.attempt(); a != nil {
		pairing = a.pairing
	}
	unnamed := ev.EDIV == 0 && ev.Rand == [8]byte{}
	switch {
	case pairing != nil && !pairing.initiator && pairing.key != nil && unnamed:
		m.expectEncryption(pairing.linkSecurity(), false)
		m.link.ProvideKey(*pairing.key)
	case pairing == nil && m.bond != nil && m.bond.Peripheral.hasName(ev.Rand, ev.EDIV):
		m.expectEncryption(m.bond.keySecurity(), true)
		m.link.ProvideKey(m.bond.Peripheral.Key)
	default:
		m.logEvent(levelLink, "no key for the peer", "bonded", m.bond != nil, "pairing", pairing != nil)
		m.link.RefuseKey()
	}
}

// hasName reports whether a key has the name that EDIV and Rand are. No key has one.
func (k *LongTermKey) hasName(rand [8]byte, ediv uint16) bool {
	if k == nil {
		return false
	}
	own, asked := wire.AppendU16(k.Rand[:], k.EDIV), wire.AppendU16(rand[:], ediv)
	return subtle.ConstantTimeCompare(own, asked) == 1
}

// sameKey reports whether both are the same key, or both are missing.
func (k *LongTermKey) sameKey(o *LongTermKey) bool {
	if k == nil || o == nil {
		return k == nil && o == nil
	}
	return k.hasName(o.Rand, o.EDIV) && equal(k.Key, o.Key)
}
