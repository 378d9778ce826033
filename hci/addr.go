package hci

import (
	"fmt"
	"strings"
)

// MAC is a 48-bit Bluetooth device address in the order of the wire, least
// significant octet first (Vol 6, Part B, 1.3).
type MAC [6]byte

// String returns the address in its usual form, "AA:BB:CC:DD:EE:FF", most
// significant octet first.
func (m MAC) String() string {
	const digits = "0123456789ABCDEF"
	var b [3 * len(m)]byte // with a colon behind each octet
	for i, octet := range m {
		at := b[3*(len(m)-1-i):]
		at[0], at[1], at[2] = digits[octet>>4], digits[octet&0xF], ':'
	}
	return string(b[:len(b)-1])
}

// ParseMAC parses the form of MAC.String, in upper or lower case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 3*len(m)-1 {
		return MAC{}, badMAC(s)
	}
	for i := range m {
		at := 3 * (len(m) - 1 - i)
		hi, ok := hexValue(s[at])
		lo, alsoOK := hexValue(s[at+1])
		if !ok || !alsoOK || i > 0 && s[at+2] != ':' {
			return MAC{}, badMAC(s)
		}
		m[i] = hi<<4 | lo
	}
	return m, nil
}

// hexValue returns the value of a hexadecimal digit.
func hexValue(c byte) (v byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func badMAC(s string) error {
	return fmt.Errorf("hci: %q is not a device address: write six pairs of hexadecimal digits, such as C0:FF:EE:00:00:01", s)
}

// AddrKind is the kind of a device address. The same 48 bits with two kinds are two
// devices.
//
// As the own address of a command, AddrPublic and AddrRandom select the public or
// the random address of the controller. The two identity kinds select a resolvable
// private address that the controller generates; if it cannot, it uses the public
// or the random address (Vol 4, Part E, 7.8.5).
type AddrKind uint8

// The kinds of address, with the values of the HCI.
const (
	AddrPublic         AddrKind = 0x00 // assigned by the IEEE
	AddrRandom         AddrKind = 0x01 // static, resolvable or non-resolvable
	AddrPublicIdentity AddrKind = 0x02 // public identity address of a resolved private address
	AddrRandomIdentity AddrKind = 0x03 // static random identity address of a resolved private address
	AddrAnonymous      AddrKind = 0xFF // extended advertising without an address
)

// String returns "public", "random", "public-identity", "random-identity",
// "anonymous" or, for another value, its hexadecimal form.
func (k AddrKind) String() string {
	switch k {
	case AddrPublic:
		return "public"
	case AddrRandom:
		return "random"
	case AddrPublicIdentity:
		return "public-identity"
	case AddrRandomIdentity:
		return "random-identity"
	case AddrAnonymous:
		return "anonymous"
	}
	return fmt.Sprintf("0x%02x", uint8(k))
}

// Addr is a device address with its kind. It is comparable and may be a map key.
type Addr struct {
	MAC  MAC
	Kind AddrKind
}

// String returns the address and its kind: "C0:FF:EE:00:00:01/random".
func (a Addr) String() string { return a.MAC.String() + "/" + a.Kind.String() }

// ParseAddr parses the form of Addr.String. An address without a kind is public.
func ParseAddr(s string) (Addr, error) {
	a, _, err := ParseAddrKind(s)
	return a, err
}

// MustParseAddr is ParseAddr for addresses in the source of a program: it panics where
// ParseAddr returns an error.
func MustParseAddr(s string) Addr {
	a, err := ParseAddr(s)
	if err != nil {
		panic(err)
	}
	return a
}

// ParseAddrKind is ParseAddr that also reports whether s includes a kind: known is
// false for a bare address.
func ParseAddrKind(s string) (a Addr, known bool, err error) {
	mac, kind, known := strings.Cut(s, "/")
	if a.MAC, err = ParseMAC(mac); err != nil {
		return Addr{}, false, err
	}
	if !known {
		return a, false, nil
	}
	for _, k := range [...]AddrKind{AddrPublic, AddrRandom, AddrPublicIdentity, AddrRandomIdentity, AddrAnonymous} {
		if strings.EqualFold(kind, k.String()) {
			a.Kind = k
			return a, true, nil
		}
	}
	return Addr{}, false, fmt.Errorf("hci: %q is not a kind of address: write /public, /random, /public-identity or /random-identity after the address", kind)
}

// Identity returns a with an identity kind replaced by AddrPublic or AddrRandom. A
// controller reports identity kinds for resolved addresses, but commands name the
// same devices by the kinds AddrPublic and AddrRandom.
func (a Addr) Identity() Addr {
	switch a.Kind {
	case AddrPublicIdentity:
		a.Kind = AddrPublic
	case AddrRandomIdentity:
		a.Kind = AddrRandom
	case AddrPublic, AddrRandom, AddrAnonymous:
	}
	return a
}

// subType returns the two most significant bits of a random address, which
// distinguish its three types (Vol 6, Part B, 1.3.2); ok is false for other
// addresses.
func (a Addr) subType() (bits uint8, ok bool) {
	return a.MAC[5] >> 6, a.Kind == AddrRandom || a.Kind == AddrRandomIdentity
}

// IsStatic reports whether a is a static random address. A device keeps it at least
// until a power cycle.
func (a Addr) IsStatic() bool { bits, ok := a.subType(); return ok && bits == 3 }

// IsResolvable reports whether a is a resolvable private address, which only a
// device with the identity resolving key can attribute.
func (a Addr) IsResolvable() bool { bits, ok := a.subType(); return ok && bits == 1 }

// IsNonResolvable reports whether a is a non-resolvable private address.
func (a Addr) IsNonResolvable() bool { bits, ok := a.subType(); return ok && bits == 0 }

// MarshalText returns the form of String.
func (a Addr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText parses the form of ParseAddr.
func (a *Addr) UnmarshalText(b []byte) error {
	v, err := ParseAddr(string(b))
	if err == nil {
		*a = v
	}
	return err
}

// MarshalText returns the form of String.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText parses the form of ParseMAC.
func (m *MAC) UnmarshalText(b []byte) error {
	v, err := ParseMAC(string(b))
	if err == nil {
		*m = v
	}
	return err
}
