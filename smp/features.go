package smp

import (
	"fmt"
	"strings"
)

// IOCapability is the capability of the user interface of a device (Vol 3, Part H, 2.3.2).
type IOCapability uint8

// The capabilities of Vol 3, Part H, Table 3.4.
const (
	DisplayOnly     IOCapability = 0x00
	DisplayYesNo    IOCapability = 0x01
	KeyboardOnly    IOCapability = 0x02
	NoInputNoOutput IOCapability = 0x03
	KeyboardDisplay IOCapability = 0x04
)

// String returns the specification's name, or "0x05".
func (c IOCapability) String() string {
	switch c {
	case DisplayOnly:
		return "DisplayOnly"
	case DisplayYesNo:
		return "DisplayYesNo"
	case KeyboardOnly:
		return "KeyboardOnly"
	case NoInputNoOutput:
		return "NoInputNoOutput"
	case KeyboardDisplay:
		return "KeyboardDisplay"
	}
	return fmt.Sprintf("0x%02x", uint8(c))
}

// authReq is the AuthReq field: what a side requires of a pairing (Vol 3, Part H,
// 3.5.1).
type authReq uint8

// The bits of an authReq. Bonding is a field of two bits, of which 01 means bonding.
const (
	authBonding           authReq = 0x01
	authMITM              authReq = 0x04 // protection against a man in the middle
	authSecureConnections authReq = 0x08
	authKeypress          authReq = 0x10
	authCT2               authReq = 0x20 // has no effect without BR/EDR
)

// Has reports whether all bits of want are in a.
func (a authReq) has(want authReq) bool { return a&want == want }

// bonds reports whether the Bonding field means bonding.
func (a authReq) bonds() bool { return a&0x03 == authBonding }

// keyDist is a set of keys to be distributed (Vol 3, Part H, 3.6.1).
type keyDist uint8

// The bits of a keyDist.
const (
	distEncKey  keyDist = 0x01 // legacy pairing: long term key, EDIV and Rand
	distIDKey   keyDist = 0x02 // identity resolving key and identity address
	distSignKey keyDist = 0x04
	distLinkKey keyDist = 0x08 // derives a key for BR/EDR, which this package never does

	// distKnown leaves out the reserved bits, which have no effect.
	distKnown = distEncKey | distIDKey | distSignKey | distLinkKey
)

// Has reports whether all bits of want are in d.
func (d keyDist) has(want keyDist) bool { return d&want == want }

// String lists the keys: "EncKey|IdKey", "none".
func (d keyDist) String() string {
	var names []string
	for i, n := range [...]string{"EncKey", "IdKey", "SignKey", "LinkKey"} {
		if d&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	if rest := d &^ 0x0F; rest != 0 {
		names = append(names, fmt.Sprintf("0x%02x", uint8(rest)))
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "|")
}

// Method is the association model of a pairing: how the two sides authenticate each
// other (Vol 3, Part H, 2.3.5.1).
type Method uint8

// The methods. The initiator is the central, the responder the peripheral.
const (
	JustWorks         Method = iota // no authentication
	InitiatorDisplays               // Passkey Entry: the passkey is typed at the responder
	ResponderDisplays               // Passkey Entry: the passkey is typed at the initiator
	BothInput                       // Passkey Entry: the passkey is typed at both
	NumericComparison
	OutOfBand
)

// String returns the name of the method.
func (m Method) String() string {
	switch m {
	case JustWorks:
		return "Just Works"
	case InitiatorDisplays:
		return "Passkey Entry, initiator displays"
	case ResponderDisplays:
		return "Passkey Entry, responder displays"
	case BothInput:
		return "Passkey Entry, both input"
	case NumericComparison:
		return "Numeric Comparison"
	case OutOfBand:
		return "Out of Band"
	}
	return fmt.Sprintf("method 0x%02x", uint8(m))
}

// Authenticated reports whether the method protects against a man in the
// middle.
func (m Method) Authenticated() bool { return m != JustWorks }

func (m Method) passkey() bool {
	return m == InitiatorDisplays || m == ResponderDisplays || m == BothInput
}

// displays reports whether a side displays the passkey.
func (m Method) displays(initiator bool) bool {
	return initiator && m == InitiatorDisplays || !initiator && m == ResponderDisplays
}

// ioMethod is Vol 3, Part H, Table 2.8, for legacy pairing. Rows are the responder's
// capability, columns the initiator's, in the order of their values.
var ioMethod = [5][5]Method{
	DisplayOnly:     {JustWorks, JustWorks, ResponderDisplays, JustWorks, ResponderDisplays},
	DisplayYesNo:    {JustWorks, JustWorks, ResponderDisplays, JustWorks, ResponderDisplays},
	KeyboardOnly:    {InitiatorDisplays, InitiatorDisplays, BothInput, JustWorks, InitiatorDisplays},
	NoInputNoOutput: {JustWorks, JustWorks, JustWorks, JustWorks, JustWorks},
	KeyboardDisplay: {InitiatorDisplays, InitiatorDisplays, ResponderDisplays, JustWorks, InitiatorDisplays},
}

// compares reports whether a side can display six digits and get a yes or no.
func (c IOCapability) compares() bool { return c == DisplayYesNo || c == KeyboardDisplay }

// secureConnections reports whether both sides support LE Secure Connections.
func secureConnections(req, rsp features) bool {
	return req.Auth.has(authSecureConnections) && rsp.Auth.has(authSecureConnections)
}

// chooseMethod returns the method that both sides must use (Vol 3, Part H, 2.3.5.1,
// Tables 2.6 to 2.8). The parser guarantees that the capabilities of req and rsp are in
// the table.
func chooseMethod(req, rsp features) Method {
	sc := secureConnections(req, rsp)
	switch {
	case sc && (req.OOB || rsp.OOB), req.OOB && rsp.OOB:
		return OutOfBand
	case !req.Auth.has(authMITM) && !rsp.Auth.has(authMITM):
		return JustWorks
	case sc && req.IO.compares() && rsp.IO.compares():
		return NumericComparison
	}
	return ioMethod[rsp.IO][req.IO]
}
