package proxy

import (
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// kindOf returns the kind of an address as the protocol numbers it, which is that of the
// reports of HCI. The identity kinds name the same devices as the others.
func kindOf(k esphome.AddressKind) hci.AddrKind {
	if k&1 != 0 {
		return hci.AddrRandom
	}
	return hci.AddrPublic
}
