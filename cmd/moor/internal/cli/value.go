package cli

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// value is the value of an attribute as it is shown: its octets, and their meaning if
// the UUID defines one, or else their text if they are text. A meaning that is a number
// with a unit is there as both too.
type value struct {
	Hex  string `json:"hex"`
	Text string `json:"text,omitempty"`
	reading
}

// reading is the meaning of a value: words, or a number with a unit, which may have more
// words after it.
type reading struct {
	Meaning string      `json:"meaning,omitempty"`
	Number  json.Number `json:"value,omitempty"` // an exact number, in Unit
	Unit    string      `json:"unit,omitempty"`
}

func words(s string) reading { return reading{Meaning: s} }

func measured(number, unit string) reading {
	return reading{number + " " + unit, json.Number(number), unit}
}

func newValue(u uuid.UUID, b []byte) value {
	v := value{Hex: hex.EncodeToString(b), reading: meaning(u, b)}
	if text, ok := printable(b); ok && v.Meaning == "" {
		v.Text = text
	}
	return v
}

// String returns the value on one line: octets in pairs, then the text in
// quotes or the meaning.
func (v value) String() string {
	if v.Hex == "" {
		return "(empty)"
	}
	var b strings.Builder
	for pair := range slices.Chunk([]byte(v.Hex), 2) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.Write(pair)
	}
	switch {
	case v.Meaning != "":
		b.WriteString("  " + v.Meaning)
	case v.Text != "":
		b.WriteString("  " + strconv.Quote(v.Text))
	}
	return b.String()
}

// decoder returns the meaning of a value. A value that is too short leaves an error in
// r and has no meaning.
type decoder func(r *wire.Reader) reading

// meaning decodes the value of an attribute that many devices have and that the
// Bluetooth SIG defines (GATT Specification Supplement, section 3). Other
// attributes have none, and neither has a value that does not fit its format.
func meaning(u uuid.UUID, b []byte) reading {
	short, ok := u.Short()
	if !ok || len(b) == 0 {
		return reading{}
	}
	decode, ok := decoderOf(short)
	if !ok {
		return reading{}
	}
	r := wire.NewReader(b)
	s := decode(&r)
	if r.Err() != nil {
		return reading{}
	}
	return s
}

func decoderOf(u uint16) (decoder, bool) {
	switch u {
	case 0x2A01:
		return decodeAppearance, true
	case 0x2A04:
		return decodePreferredParams, true
	case 0x2A05:
		return func(r *wire.Reader) reading { return words(fmt.Sprintf("handles 0x%04x to 0x%04x", r.U16(), r.U16())) }, true
	case 0x2A19:
		return func(r *wire.Reader) reading { return fixedPoint(int64(r.U8()), 0, "%") }, true
	case 0x2A1C, 0x2A1E:
		return decodeThermometer, true
	case 0x2A2B:
		return decodeTime, true
	case 0x2A37:
		return decodeHeartRate, true
	case 0x2A38:
		return decodeSensorLocation, true
	case 0x2A50:
		return decodePnP, true
	case 0x2A6D:
		return func(r *wire.Reader) reading { return fixedPoint(int64(r.U32()), 3, "hPa") }, true // unit 0.1 Pa
	case 0x2A6E:
		return func(r *wire.Reader) reading { return fixedPoint(int64(int16(r.U16())), 2, "°C") }, true
	case 0x2A6F:
		return func(r *wire.Reader) reading { return fixedPoint(int64(r.U16()), 2, "%") }, true
	case 0x2902:
		return decodeCCCD, true
	}
	return nil, false
}

func decodeAppearance(r *wire.Reader) reading {
	return words(assigned.Appearance(r.U16()))
}

// decodePreferredParams reads the Peripheral Preferred Connection Parameters
// (Vol 3, Part C, 12.3); 0xFFFF is "no value".
func decodePreferredParams(r *wire.Reader) reading {
	low, high, latency, timeout := r.U16(), r.U16(), r.U16(), r.U16()
	step := func(v uint16, unit time.Duration) string {
		if v == 0xFFFF {
			return "any"
		}
		return (time.Duration(v) * unit).String()
	}
	const unit = 1250 * time.Microsecond
	return words(fmt.Sprintf("interval %s to %s, latency %d, timeout %s",
		step(low, unit), step(high, unit), latency, step(timeout, 10*time.Millisecond)))
}

// decodeThermometer reads a Temperature Measurement: flags, then an IEEE 11073
// 32-bit float with a decimal exponent.
func decodeThermometer(r *wire.Reader) reading {
	flags := r.U8()
	mantissa, exponent := int32(r.U24()<<8)>>8, r.I8()
	if exponent > 0 || exponent < -6 {
		return reading{}
	}
	unit := "°C"
	if flags&1 != 0 {
		unit = "°F"
	}
	return fixedPoint(int64(mantissa), int(-exponent), unit)
}

func decodeTime(r *wire.Reader) reading {
	year, month, day := r.U16(), r.U8(), r.U8()
	hour, minute, second := r.U8(), r.U8(), r.U8()
	return words(fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", year, month, day, hour, minute, second))
}

func decodeHeartRate(r *wire.Reader) reading {
	flags := r.U8()
	rate := uint16(0)
	if flags&1 != 0 {
		rate = r.U16()
	} else {
		rate = uint16(r.U8())
	}
	m := fixedPoint(int64(rate), 0, "beats/min")
	switch flags >> 1 & 3 {
	case 2:
		m.Meaning += ", no skin contact"
	case 3:
		m.Meaning += ", skin contact"
	}
	return m
}

func decodeSensorLocation(r *wire.Reader) reading {
	names := [...]string{"other", "chest", "wrist", "finger", "hand", "ear lobe", "foot"}
	if v := int(r.U8()); v < len(names) {
		return words(names[v])
	}
	return reading{}
}

func decodePnP(r *wire.Reader) reading {
	source, vendor, product, version := r.U8(), r.U16(), r.U16(), r.U16()
	name := fmt.Sprintf("0x%04x", vendor)
	switch source {
	case 1:
		if n := assigned.Company(vendor); n != "" {
			name = n
		}
	case 2:
		name = "USB " + name
	}
	return words(fmt.Sprintf("vendor %s, product 0x%04x, version 0x%04x", name, product, version))
}

func decodeCCCD(r *wire.Reader) reading {
	switch r.U16() & 3 {
	case 1:
		return words("notifications on")
	case 2:
		return words("indications on")
	case 3:
		return words("notifications and indications on")
	}
	return words("off")
}

// fixedPoint returns v / 10^places with its unit, exactly.
func fixedPoint(v int64, places int, unit string) reading {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	digits := fmt.Sprintf("%0*d", places+1, v)
	whole, fraction := digits[:len(digits)-places], digits[len(digits)-places:]
	if fraction != "" {
		fraction = "." + fraction
	}
	return measured(sign+whole+fraction, unit)
}
