// Package uuid represents Bluetooth UUIDs (Core, Vol 3, Part B, 2.5.1).
//
// A UUID is stored in its 128-bit form. A 16-bit UUID and its 128-bit form are
// therefore equal under ==, and the same map key.
package uuid

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// UUID is a 128-bit UUID in the order in which it is written, most significant
// octet first. On air, the least significant octet comes first.
type UUID [16]byte

// base is the Bluetooth Base UUID; 16- and 32-bit UUIDs replace its first four
// octets.
var base = UUID{4: 0x00, 5: 0x00, 6: 0x10, 7: 0x00, 8: 0x80, 9: 0x00, 10: 0x00, 11: 0x80, 12: 0x5F, 13: 0x9B, 14: 0x34, 15: 0xFB}

// From16 returns the UUID of a 16-bit assigned number.
func From16(v uint16) UUID { return From32(uint32(v)) }

// From32 returns the UUID of a 32-bit assigned number.
func From32(v uint32) UUID {
	u := base
	u[0], u[1], u[2], u[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	return u
}

// FromWire returns the UUID of 2, 4 or 16 octets in the order of the air
// interface, least significant first. ok is false for any other length.
func FromWire(b []byte) (u UUID, ok bool) {
	switch len(b) {
	case 2:
		return From16(uint16(b[0]) | uint16(b[1])<<8), true
	case 4:
		return From32(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24), true
	case 16:
		for i, v := range b {
			u[15-i] = v
		}
		return u, true
	}
	return UUID{}, false
}

// Short returns the 16-bit form of u; ok is false if u has none.
func (u UUID) Short() (v uint16, ok bool) {
	if u[0] != 0 || u[1] != 0 || [12]byte(u[4:]) != [12]byte(base[4:]) {
		return 0, false
	}
	return uint16(u[2])<<8 | uint16(u[3]), true
}

// AppendWire appends u in the order of the air interface: two octets if u has
// a 16-bit form, otherwise sixteen. ATT has no 32-bit form (Vol 3, Part F, 3.2.1).
func (u UUID) AppendWire(b []byte) []byte {
	if v, ok := u.Short(); ok {
		return append(b, byte(v), byte(v>>8))
	}
	return u.AppendWire128(b)
}

// AppendWire128 appends the sixteen octets of u in the order of the air
// interface.
func (u UUID) AppendWire128(b []byte) []byte {
	for i := range u {
		b = append(b, u[15-i])
	}
	return b
}

// WireLen returns the number of octets that AppendWire appends: 2 or 16.
func (u UUID) WireLen() int {
	if _, ok := u.Short(); ok {
		return 2
	}
	return 16
}

// String returns four hexadecimal digits if u has a 16-bit form ("180f"),
// otherwise the long form, in lower case.
func (u UUID) String() string {
	if v, ok := u.Short(); ok {
		return fmt.Sprintf("%04x", v)
	}
	return u.Long()
}

// Long returns the 36-character form of any UUID, in lower case.
func (u UUID) Long() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Parse reads a UUID of 4, 8 or 32 hexadecimal digits. 4 and 8 digits may have
// "0x" in front; 32 digits may have the four hyphens.
func Parse(s string) (UUID, error) {
	h := s
	if len(s) == 6 || len(s) == 10 {
		h = strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	}
	if len(h) == 36 && h[8] == '-' && h[13] == '-' && h[18] == '-' && h[23] == '-' {
		h = h[:8] + h[9:13] + h[14:18] + h[19:23] + h[24:]
	}
	b, err := hex.DecodeString(h)
	if err != nil || len(b) != 2 && len(b) != 4 && len(b) != 16 {
		return UUID{}, fmt.Errorf("uuid: %q is not a UUID: write 4, 8 or 32 hexadecimal digits, such as 180f or 0000180f-0000-1000-8000-00805f9b34fb", s)
	}
	if len(b) == 16 {
		return UUID(b), nil
	}
	u := base
	copy(u[4-len(b):4], b)
	return u, nil
}

// MustParse is Parse for constants. It panics on an error.
func MustParse(s string) UUID {
	u, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// MarshalText returns the form of String.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText accepts the forms of Parse.
func (u *UUID) UnmarshalText(b []byte) (err error) {
	*u, err = Parse(string(b))
	return err
}
