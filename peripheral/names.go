package peripheral

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/gatt"
)

// BehaviorKind is the way in which a value moves.
type BehaviorKind uint8

// The behaviors.
const (
	Constant   BehaviorKind = iota // the value stays until it is written or set
	Counter                        // the value counts up, and begins again
	Ramp                           // the value goes up and down
	RandomWalk                     // the value changes at random
	Echo                           // a written value is notified
	Script                         // the values of a list
	Command                        // the output of a command
)

var behaviorNames = []string{"constant", "counter", "ramp", "random-walk", "echo", "script", "exec"}

// Security is the protection that an access demands of the link.
type Security uint8

// The protections, each of which includes those before it.
const (
	DefaultSecurity   Security = iota // as Characteristic.Security says, otherwise Open
	Open                              // no protection
	Encrypted                         // encryption
	Authenticated                     // a key from a pairing with a passkey
	SecureConnections                 // such a key from LE Secure Connections
)

var securityNames = []string{"default", "none", "encrypted", "authenticated", "secure-connections"}

func (s Security) require() gatt.Require {
	return gatt.Require{
		Encryption: s >= Encrypted, Authentication: s >= Authenticated, SecureConnections: s >= SecureConnections,
	}
}

// PairingMethod is the way in which a peripheral pairs.
type PairingMethod uint8

// The methods.
const (
	NoPairing PairingMethod = iota
	JustWorks               // without proof of the identity
	Passkey                 // the peripheral displays a passkey
)

var pairingNames = []string{"none", "just-works", "passkey"}

// Property is a way of access to a characteristic (Vol 3, Part G, 3.3.1.1).
type Property uint8

// The properties.
const (
	Read Property = iota
	Write
	WriteWithoutResponse
	SignedWrite
	Notify
	Indicate
	Broadcast
)

var propertyNames = []string{
	"read", "write", "write-without-response", "signed-write", "notify", "indicate", "broadcast",
}

var propertyBits = [...]gatt.Properties{
	gatt.PropRead, gatt.PropWrite, gatt.PropWriteWithoutResponse, gatt.PropSignedWrite, gatt.PropNotify,
	gatt.PropIndicate, gatt.PropBroadcast,
}

// String returns the name in descriptions, such as "random-walk".
func (k BehaviorKind) String() string { return textOf(behaviorNames, int(k)) }

// String returns the name in descriptions, such as "encrypted".
func (s Security) String() string { return textOf(securityNames, int(s)) }

// String returns the name in descriptions, such as "just-works".
func (m PairingMethod) String() string { return textOf(pairingNames, int(m)) }

// String returns the name in descriptions, such as "notify".
func (p Property) String() string { return textOf(propertyNames, int(p)) }

// MarshalText implements encoding.TextMarshaler.
func (k BehaviorKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (s Security) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (m PairingMethod) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (p Property) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *BehaviorKind) UnmarshalText(b []byte) error {
	return findText("behavior", behaviorNames, b, (*uint8)(k))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Security) UnmarshalText(b []byte) error {
	return findText("security", securityNames, b, (*uint8)(s))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *PairingMethod) UnmarshalText(b []byte) error {
	return findText("pairing method", pairingNames, b, (*uint8)(m))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Property) UnmarshalText(b []byte) error {
	return findText("property", propertyNames, b, (*uint8)(p))
}

// Choices returns the names of the behaviors.
func (BehaviorKind) Choices() []string { return slices.Clone(behaviorNames) }

// Choices returns the names of the protections.
func (Security) Choices() []string { return slices.Clone(securityNames) }

// Choices returns the names of the methods.
func (PairingMethod) Choices() []string { return slices.Clone(pairingNames) }

// Choices returns the names of the properties.
func (Property) Choices() []string { return slices.Clone(propertyNames) }

func textOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%#02x", i)
}

func findText(kind string, names []string, text []byte, to *uint8) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("no %s %q: there are %s", kind, text, strings.Join(names, ", "))
	}
	*to = uint8(i)
	return nil
}
