package proxy

import (
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// addressOf returns a MAC as the protocol writes it.
func addressOf(m hci.MAC) (a esphome.Address) {
	for i, octet := range m {
		a |= esphome.Address(octet) << (8 * i)
	}
	return a
}

// macOf is the inverse of addressOf. ok is false for more than 48 bits.
func macOf(a esphome.Address) (m hci.MAC, ok bool) {
	for i := range m {
		m[i] = byte(a >> (8 * i))
	}
	return m, a>>48 == 0
}

// kindOf returns the kind of an address as the protocol numbers it, which is that of the
// reports of HCI. The identity kinds name the same devices as the others.
func kindOf(k esphome.AddressKind) hci.AddrKind {
	if k&1 != 0 {
		return hci.AddrRandom
	}
	return hci.AddrPublic
}
