package smp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// expectEncryption notes what the link will have once it is encrypted.
func (m *Machine) expectEncryption(s Security, byBond bool) {
	s.Bonded = byBond // by a pairing, only once the new bond is kept
	m.pending, m.byBond = &s, byBond
}

// checkBond says why the bond cannot encrypt the link; nil if it can be tried.
func (m *Machine) checkBond() error {
	switch {
	case m.bond.keyFor(m.link.Role()) == nil:
		return m.bond.noKeyError()
	case m.link.Role() == hci.RolePeripheral && m.unknownToPeer():
		return m.openBondError() // a central has nothing but the address to find its key by
	}
	return nil
}

// unknownToPeer reports whether the peer of the bond may not know who this host is. A
// peripheral may find the key all the same: by its name, or as its only one.
func (m *Machine) unknownToPeer() bool { return m.private && !m.bond.GaveIRK && !m.proven }

func (m *Machine) openBondError() error { return fmt.Errorf("%v: %w", m.Peer(), ErrOpenBond) }

// lostBondError is the error for a peer that shows by err that it has no key for the
// bond, or does not know that it is this host's. For any goroutine.
func (m *Machine) lostBondError(err error) error {
	if b, ok := m.mgr.Find(m.Peer()); ok && m.private && !b.GaveIRK {
		return fmt.Errorf("smp: encrypt: %w", m.openBondError())
	}
	return &BondLostError{Peer: m.Peer(), Err: err}
}

// encryptWithBond encrypts the link as central, with the key of the bond.
func (m *Machine) encryptWithBond(time.Time) {
	b := m.bond
	m.expectEncryption(b.linkSecurity(), true)
	m.logEvent(levelLink, "encrypting with the bond")
	m.link.StartEncryption(b.Central.Rand, b.Central.EDIV, b.Central.Key, func(now time.Time, err error) {
		m.handleEncryptionDone(now, err)
	})
}

// handleEncryptionDone is the end of encryption as central.
func (m *Machine) handleEncryptionDone(now time.Time, err error) {
	if m.pending == nil {
		return // the link is down
	}
	if err == nil {
		m.handleEncrypted(now)
		return
	}
	byBond := m.byBond
	m.pending = nil
	if byBond && errors.Is(err, hci.StatusKeyMissing) {
		err = m.lostBondError(hci.StatusKeyMissing)
	} else {
		err = fmt.Errorf("smp: encrypt: %w", err)
	}
	m.logEvent(levelLink, "not encrypted", "error", err)
	if m.p != nil {
		m.endPairing(now, &Error{Reason: ReasonUnspecified, Local: true, Err: err})
	}
	m.tell(&m.encrypts, outcome{err: err})
}

// handleEncrypted is where the link has been encrypted with the key that is pending.
func (m *Machine) handleEncrypted(now time.Time) {
	s := m.pending
	m.pending = nil
	m.proven = m.byBond
	m.security.Store(s)
	m.logEvent(levelLink, "encrypted", "level", s.Level(), "key_size", s.KeySize)
	m.changed(now) // first: callers rely on what comes of it
	m.tell(&m.encrypts, outcome{})
	if m.byBond && m.wanted { // the answer of the central, even if it was asked to pair
		waiting := m.pairs
		m.wanted, m.wish, m.pairs = false, nil, nil
		m.stopIdleTimer()
		m.settlePairs(now, waiting, nil, outcome{err: fmt.Errorf("smp: pair: the central encrypts instead: %w", ErrBonded)})
	}
	if m.p != nil && !m.byBond {
		m.advancePairing(now, encrypted{})
	}
}

// Event takes an event of the link.
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

// handleEncryptionEvent is the end of encryption as peripheral; a central is told by
// the continuation of what it started.
func (m *Machine) handleEncryptionEvent(now time.Time, st hci.Status) {
	switch {
	case m.link.Role() == hci.RoleCentral || m.pending == nil:
	case st == hci.StatusSuccess:
		m.handleEncrypted(now)
	default:
		m.pending = nil
		m.logEvent(levelLink, "not encrypted", "status", st)
		if m.p != nil {
			m.endPairing(now, &Error{Reason: ReasonUnspecified, Local: true, Err: st})
		}
	}
}

// answerKeyRequest answers a central that wants to encrypt. While a pairing goes on
// its key is the only one, and only once it is due.
func (m *Machine) answerKeyRequest(ev *hci.LELongTermKeyRequest) {
	unnamed := ev.EDIV == 0 && ev.Rand == [8]byte{}
	switch {
	case m.dead == nil && m.p != nil && !m.p.initiator && m.p.key != nil && unnamed:
		m.expectEncryption(m.p.linkSecurity(), false)
		m.link.ProvideKey(*m.p.key)
	case m.p == nil && m.bond != nil && m.bond.Peripheral.hasName(ev.Rand, ev.EDIV):
		m.expectEncryption(m.bond.linkSecurity(), true)
		m.link.ProvideKey(m.bond.Peripheral.Key)
	default:
		m.logEvent(levelLink, "no key for the peer", "bonded", m.bond != nil, "pairing", m.p != nil)
		m.link.RefuseKey()
	}
}

// hasName reports whether a key has the name.
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
