package hci

import "fmt"

// Handle identifies a link between host and controller, 0x0000 to 0x0EFF
// (Vol 4, Part E, 5.3.1).
type Handle uint16

// MaxHandle is the largest connection handle. handleMask selects the bits of a
// handle in its field.
const (
	MaxHandle  Handle = 0x0EFF
	handleMask uint16 = 0x0FFF
)

// Role is the role of one end of a link: this host or the peer.
type Role uint8

// The roles.
const (
	RoleCentral    Role = 0x00
	RolePeripheral Role = 0x01
)

// String returns "central", "peripheral" or the hexadecimal form.
func (r Role) String() string {
	switch r {
	case RoleCentral:
		return "central"
	case RolePeripheral:
		return "peripheral"
	}
	return fmt.Sprintf("0x%02x", uint8(r))
}
