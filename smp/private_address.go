package smp

import (
	"crypto/subtle"

	"github.com/moor-ble/moor/hci"
)

// NewAddress generates a resolvable private address of this host, by which only bonded
// peers recognize it.
func (m *Manager) NewAddress() hci.Addr { return NewPrivateAddress(m.Identity().IRK) }

// Resolves reports whether a is a resolvable private address generated with irk (Vol 6,
// Part B, 1.3.2.3).
func Resolves(irk Key, a hci.Addr) bool {
	if !a.IsResolvable() {
		return false
	}
	var prand, hash [3]byte
	copy(hash[:], a.MAC[:])
	copy(prand[:], reversed(a.MAC[:]))
	h := ah(irk, [3]byte(reversed(prand[:])))
	return subtle.ConstantTimeCompare(h[:], hash[:]) == 1
}

// NewPrivateAddress generates a resolvable private address with irk (Vol 6, Part B,
// 1.3.2.2).
func NewPrivateAddress(irk Key) hci.Addr {
	for {
		r := random16()
		var prand [3]byte
		copy(prand[:], r[:])
		a := privateAddress(irk, prand)
		// The bits of the random part below the two topmost must not be all 0 or all 1.
		if low := uint32(a.MAC[5]&0x3F)<<16 | uint32(a.MAC[4])<<8 | uint32(a.MAC[3]); low != 0 && low != 0x3FFFFF {
			return a
		}
	}
}

func privateAddress(irk Key, prand [3]byte) hci.Addr {
	const top, resolvable = 0xC0, 0x40
	prand[2] = prand[2]&^top | resolvable
	h := ah(irk, prand)
	a := hci.Addr{Kind: hci.AddrRandom}
	copy(a.MAC[:], append(h[:], prand[:]...))
	return a
}
