package peripheral

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moor-ble/moor/uuid"
)

// Octets are octets that are written in hexadecimal: "0x0a1b", "0a1b", "0a 1b" or
// "0a:1b".
type Octets []byte

// UnmarshalText reads hexadecimal digits.
func (o *Octets) UnmarshalText(b []byte) (err error) {
	*o, err = parseOctets(string(b))
	return err
}

// MarshalText returns hexadecimal digits.
func (o Octets) MarshalText() ([]byte, error) { return []byte("0x" + hex.EncodeToString(o)), nil }

func parseOctets(s string) ([]byte, error) {
	digits := strings.NewReplacer(" ", "", ":", "", "-", "").Replace(strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X"))
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("%q is not hexadecimal: write two digits for each octet, such as 0x0a1b", s)
	}
	return b, nil
}

// Format is the layout of a value: "text", "hex", or a number such as "uint8", "sint16",
// "uint24be" or "float32". Integers have 8 to 64 bits, and the least significant octet
// first unless "be" follows. The empty Format is the default of the characteristic.
type Format string

var numberFormat = regexp.MustCompile(`^(uint|sint|int|float)(8|16|24|32|40|48|56|64)(le|be)?$`)

// UnmarshalText reads the name of a format.
func (f *Format) UnmarshalText(b []byte) error {
	s := string(b)
	switch s {
	case "text", "hex":
		*f = Format(s)
		return nil
	case "bool", "boolean":
		s = "uint8"
	case "float":
		s = "float32"
	}
	m := numberFormat.FindStringSubmatch(s)
	if m == nil || m[1] == "float" && m[2] != "32" && m[2] != "64" {
		return fmt.Errorf("no format %q: there are text, hex, uint8 to uint64, sint8 to sint64, float32 and float64, with be for the most significant octet first, as in uint16be", b)
	}
	*f = Format(s)
	return nil
}

// layout is a Format in parts.
type layout struct {
	kind string // text, hex, uint, sint, float
	size int    // octets of a number
	big  bool
}

func (f Format) layout() layout {
	m := numberFormat.FindStringSubmatch(string(f))
	if m == nil {
		if f == "hex" {
			return layout{kind: "hex"}
		}
		return layout{kind: "text"}
	}
	bits, _ := strconv.Atoi(m[2])
	if m[1] == "int" {
		m[1] = "sint"
	}
	return layout{kind: m[1], size: bits / 8, big: m[3] == "be"}
}

func (l layout) isNumber() bool { return l.size > 0 }

// known are the formats of well-known characteristics (GATT Specification Supplement).
var known = map[uint16]struct {
	format Format
	scale  float64
}{
	0x2A19: {"uint8", 1},     // Battery Level
	0x2A6E: {"sint16", 0.01}, // Temperature
	0x2A6F: {"uint16", 0.01}, // Humidity
	0x2A6D: {"uint32", 0.1},  // Pressure
	0x2A06: {"uint8", 1},     // Alert Level
	0x2A38: {"uint8", 1},     // Body Sensor Location
	0x2A39: {"uint8", 1},     // Heart Rate Control Point
	0x2A37: {"hex", 1},       // Heart Rate Measurement
	0x2A56: {"uint8", 1},     // Digital
}

// codec returns the layout of the characteristic's value and its scale.
func (c *Characteristic) codec() (layout, float64) {
	f, scale := c.Format, c.Scale
	if v, ok := c.UUID.Short(); ok && f == "" {
		f = known[v].format
		if scale == 0 {
			scale = known[v].scale
		}
	}
	if scale == 0 {
		scale = 1
	}
	return f.layout(), scale
}

// Encode returns the octets of a value that is written as in a description.
func (c *Characteristic) Encode(text string) ([]byte, error) {
	l, scale := c.codec()
	if c.Format == "" && l.kind == "text" && !strings.HasPrefix(text, "0x") {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return nil, fmt.Errorf("value %s of characteristic %v needs a format: write format: uint8, or another one, and format: text for digits as text", text, c.UUID)
		}
	}
	return l.encode(text, scale)
}

func (l layout) encode(text string, scale float64) ([]byte, error) {
	switch hexText := strings.HasPrefix(text, "0x"); {
	case l.kind == "hex", l.kind == "text" && hexText:
		return parseOctets(text)
	case l.kind == "text":
		return []byte(text), nil
	}
	switch text {
	case "":
		text = "0"
	case "true", "on":
		text = "1"
	case "false", "off":
		text = "0"
	}
	if i, ok := new(big.Int).SetString(text, 0); ok && scale == 1 && l.kind != "float" {
		return l.encodeInt(i, text)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("%q is not a number", text)
	}
	return l.encodeNumber(v/scale, text)
}

// encodeNumber returns the octets of a number; text is its form for errors.
func (l layout) encodeNumber(v float64, text string) ([]byte, error) {
	switch {
	case l.kind == "float" && l.size == 4:
		return l.order(uint64(math.Float32bits(float32(v)))), nil
	case l.kind == "float":
		return l.order(math.Float64bits(v)), nil
	}
	i, _ := big.NewFloat(math.Round(v)).Int(nil)
	return l.encodeInt(i, text)
}

func (l layout) encodeInt(i *big.Int, text string) ([]byte, error) {
	one := big.NewInt(1)
	low, high := big.NewInt(0), new(big.Int).Lsh(one, uint(8*l.size))
	if l.kind == "sint" {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	if i.Cmp(low) < 0 || i.Cmp(high) >= 0 {
		return nil, fmt.Errorf("%s does not fit %s%d, which goes from %v to %v", text, l.kind, 8*l.size, low, high.Sub(high, one))
	}
	if i.Sign() < 0 {
		return l.order(uint64(i.Int64())), nil
	}
	return l.order(i.Uint64()), nil
}

// order returns the octets of v, in the order of the layout.
func (l layout) order(v uint64) []byte {
	b := make([]byte, l.size)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	if l.big {
		slices.Reverse(b)
	}
	return b
}

// label returns the name of the characteristic, or its UUID.
func (c *Characteristic) label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.UUID.String()
}

// matchesName reports whether name means the characteristic.
func (c *Characteristic) matchesName(name string) bool {
	if c.Name == name {
		return true
	}
	u, err := uuid.Parse(name)
	return err == nil && u == c.UUID
}
