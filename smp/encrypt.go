package smp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// pend notes what the link will have once it is encrypted.
func (m *Machine) pend(s Security, byBond bool) {
	s.Bonded = byBond // by a pairing, only once the new bond is kept
	m.pending, m.byBond = &s, byBond
}

// unusable says why the bond cannot encrypt the link; nil if it can be tried.
func (m *Machine) unusable() error {
	switch {
	case m.bond.key(m.link.Role()) == nil:
		return m.bond.keyless()
	case m.link.Role() == hci.RolePeripheral && m.stranger():
		return m.open() // a central has nothing but the address to find its key by
	}
	return nil
}

// stranger reports whether the peer of the bond may not know who this host is. A
// peripheral may find the key all the same: by its name, or as its only one.
func (m *Machine) stranger() bool { return m.private && !m.bond.GaveIRK && !m.proven }

func (m *Machine) open() error { return fmt.Errorf("%v: %w", m.Peer(), ErrOpenBond) }

// lost is the error for a peer that shows by err that it has no key for the
// bond, or does not know that it is this host's. For any goroutine.
func (m *Machine) lost(err error) error {
	if b, ok := m.mgr.Find(m.Peer()); ok && m.private && !b.GaveIRK {
		return fmt.Errorf("smp: encrypt: %w", m.open())
	}
	return &BondLostError{Peer: m.Peer(), Err: err}
}

// startEncryption encrypts the link as central, with the key of the bond.
func (m *Machine) startEncryption(time.Time) {
	b := m.bond
	m.pend(b.security(), true)
	m.log(levelLink, "encrypting with the bond")
	m.link.StartEncryption(b.Central.Rand, b.Central.EDIV, b.Central.Key, func(now time.Time, err error) {
		m.encryptionDone(now, err)
	})
}

// encryptionDone is the end of encryption as central.
func (m *Machine) encryptionDone(now time.Time, err error) {
	if m.pending == nil {
		return // the link is down
	}
	if err == nil {
		m.encrypted(now)
		return
	}
	byBond := m.byBond
	m.pending = nil
	if byBond && errors.Is(err, hci.StatusKeyMissing) {
		err = m.lost(hci.StatusKeyMissing)
	} else {
		err = fmt.Errorf("smp: encrypt: %w", err)
	}
	m.log(levelLink, "not encrypted", "error", err)
	if m.p != nil {
		m.over(now, &Error{Reason: ReasonUnspecified, Local: true, Err: err})
	}
	m.tell(&m.encrypts, outcome{err: err})
}

// encrypted is where the link has been encrypted with the key that is pending.
func (m *Machine) encrypted(now time.Time) {
	s := m.pending
	m.pending = nil
	m.proven = m.byBond
	m.security.Store(s)
	m.log(levelLink, "encrypted", "level", s.Level(), "key_size", s.KeySize)
	m.changed(now) // first: callers rely on what comes of it
	m.tell(&m.encrypts, outcome{})
	if m.byBond && m.wanted { // the answer of the central, even if it was asked to pair
		waiting := m.pairs
		m.wanted, m.wish, m.pairs = false, nil, nil
		m.rest()
		m.settle(now, waiting, nil, outcome{err: fmt.Errorf("smp: pair: the central encrypts instead: %w", ErrBonded)})
	}
	if m.p != nil && !m.byBond {
		m.step(now, encrypted{})
	}
}

// Event takes an event of the link.
func (m *Machine) Event(now time.Time, ev hci.Event) {
	switch ev := ev.(type) {
	case *hci.LELongTermKeyRequest:
		m.keyRequest(ev)
	case *hci.EncryptionChange:
		if ev.Status == hci.StatusSuccess && ev.Enabled == 0 {
			m.security.Store(&Security{Bonded: m.bond != nil})
			m.changed(now)
			m.encryptionEvent(now, hci.StatusUnspecified)
			return
		}
		m.encryptionEvent(now, ev.Status)
	case *hci.EncryptionKeyRefreshComplete:
		m.encryptionEvent(now, ev.Status)
	}
}

// encryptionEvent is the end of encryption as peripheral; a central is told by
// the continuation of what it started.
func (m *Machine) encryptionEvent(now time.Time, st hci.Status) {
	switch {
	case m.link.Role() == hci.RoleCentral || m.pending == nil:
	case st == hci.StatusSuccess:
		m.encrypted(now)
	default:
		m.pending = nil
		m.log(levelLink, "not encrypted", "status", st)
		if m.p != nil {
			m.over(now, &Error{Reason: ReasonUnspecified, Local: true, Err: st})
		}
	}
}

// keyRequest answers a central that wants to encrypt. While a pairing goes on
// its key is the only one, and only once it is due.
func (m *Machine) keyRequest(ev *hci.LELongTermKeyRequest) {
	unnamed := ev.EDIV == 0 && ev.Rand == [8]byte{}
	switch {
	case m.dead == nil && m.p != nil && !m.p.initiator && m.p.key != nil && unnamed:
		m.pend(m.p.security(), false)
		m.link.ProvideKey(*m.p.key)
	case m.p == nil && m.bond != nil && m.bond.Peripheral.named(ev.Rand, ev.EDIV):
		m.pend(m.bond.security(), true)
		m.link.ProvideKey(m.bond.Peripheral.Key)
	default:
		m.log(levelLink, "no key for the peer", "bonded", m.bond != nil, "pairing", m.p != nil)
		m.link.RefuseKey()
	}
}

// named reports whether a key has the name.
func (k *LongTermKey) named(rand [8]byte, ediv uint16) bool {
	if k == nil {
		return false
	}
	own, asked := wire.AppendU16(k.Rand[:], k.EDIV), wire.AppendU16(rand[:], ediv)
	return subtle.ConstantTimeCompare(own, asked) == 1
}

// same reports whether both are the same key, or both are missing.
func (k *LongTermKey) same(o *LongTermKey) bool {
	if k == nil || o == nil {
		return k == nil && o == nil
	}
	return k.named(o.Rand, o.EDIV) && equal(k.Key, o.Key)
}
