package remote

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
		m[i] = byte(a >> (8 * i)) //nolint:gosec // one octet
	}
	return m, a>>48 == 0
}
