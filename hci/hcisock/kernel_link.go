package hcisock

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// KernelLink is a link of the kernel's own stack on an adapter. The kernel does not
// know the links of a user channel.
type KernelLink struct {
	Handle   hci.Handle
	MAC      hci.MAC // address of the peer; the kernel does not report its kind here
	Kind     LinkKind
	Outgoing bool // this side made the connection
	State    LinkState
	Central  bool // this side is the central
	// Encrypted reports whether the link is encrypted.
	Encrypted bool
}

// LinkKind is the type of a link, with the numbers of the kernel.
type LinkKind uint8

const (
	LinkSCO  LinkKind = 0x00
	LinkACL  LinkKind = 0x01
	LinkESCO LinkKind = 0x02
	LinkLE   LinkKind = 0x80
)

func (k LinkKind) String() string {
	switch k {
	case LinkSCO:
		return "SCO"
	case LinkACL:
		return "BR/EDR"
	case LinkESCO:
		return "eSCO"
	case LinkLE:
		return "LE"
	default:
		return fmt.Sprintf("link kind 0x%02X", uint8(k))
	}
}

// LinkState is the state of a link, with the numbers of the kernel.
type LinkState uint16

const (
	LinkConnected     LinkState = 1
	LinkOpen          LinkState = 2
	LinkConnecting    LinkState = 5
	LinkAccepting     LinkState = 6
	LinkConfiguring   LinkState = 7
	LinkDisconnecting LinkState = 8
	LinkClosed        LinkState = 9
)

func (s LinkState) String() string {
	switch s {
	case LinkConnected:
		return "connected"
	case LinkOpen:
		return "open"
	case LinkConnecting:
		return "connecting"
	case LinkAccepting:
		return "accepting"
	case LinkConfiguring:
		return "configuring"
	case LinkDisconnecting:
		return "disconnecting"
	case LinkClosed:
		return "closed"
	default:
		return fmt.Sprintf("link state 0x%02X", uint16(s))
	}
}
