package payload

import (
	"encoding/json"
	"strings"
)

// Format is a format of payloads.
type Format string

// The formats that Decode knows.
const (
	FormatBTHome    Format = "BTHome"
	FormatRuuvi3    Format = "RuuviTag 3"  // RAWv1
	FormatRuuvi5    Format = "RuuviTag 5"  // RAWv2
	FormatRuuviC5   Format = "RuuviTag C5" // RAWv2 without acceleration
	FormatRuuvi6    Format = "RuuviTag 6"  // of Ruuvi Air, for receivers of Bluetooth 4
	FormatRuuviE1   Format = "RuuviTag E1" // of Ruuvi Air, in extended advertisements
	FormatATC       Format = "ATC"         // the format of atc1441
	FormatPVVX      Format = "pvvx"        // the custom format of pvvx
	FormatMiBeacon  Format = "MiBeacon"
	FormatGovee     Format = "Govee"
	FormatInkbird   Format = "Inkbird"
	FormatIBeacon   Format = "iBeacon"
	FormatEddystone Format = "Eddystone"
)

// Problem is why a part of a payload, or all of it, is not decoded. The empty
// string is no problem.
type Problem string

// The problems of a Frame.
const (
	// NoKey: the payload is encrypted, and Keys has no key for the device.
	NoKey Problem = "no key"
	// WrongKey: the payload does not fit the key, or is damaged.
	WrongKey Problem = "wrong key"
	// UnknownObject: the payload has an object that this package does not know.
	// BTHome gives objects no length, so decoding stops there.
	UnknownObject Problem = "unknown object"
	// CutShort: the payload ends in the middle of a value.
	CutShort Problem = "cut short"
	// TooMany: the payload has more readings than a Frame may have.
	TooMany Problem = "too many readings"
)

// maxReadings is the number of readings of a Frame. An extended advertisement has
// room for hundreds; no device has that many.
const maxReadings = 64

// Frame is one payload of a device: measurements, or an identity.
type Frame struct {
	Format Format
	// Model is the model of the device, as far as the payload or the name of the
	// device tells it; a MiBeacon product without a known name is a number, such as
	// "0x045b".
	Model string
	// Device is the identifier of the device in the payload: its address, or the
	// last octets of it. It may differ from the address on air, as behind a repeater.
	Device string
	// Counter is the counter in the payload, if HasCounter is set. A device repeats a
	// payload with the same counter. How it counts depends on the format; in encrypted
	// payloads, it increases, and a lower one is a replay.
	Counter    uint32
	HasCounter bool
	// Encrypted reports that the payload was encrypted, and Authentic that its check
	// has shown that the sender has the key. The check of MiBeacon before version 4
	// is a single octet, which shows little: its payloads are not Authentic.
	Encrypted, Authentic bool
	// Readings are the measurements, states and events, in the order of the payload.
	Readings []Reading
	// ID is the identity that a beacon broadcasts; nil for other payloads.
	ID ID
	// Problem is why the payload, or the rest of it, is not decoded.
	Problem Problem
}

// Find returns the first reading of a kind.
func (f *Frame) Find(k Kind) (r Reading, ok bool) {
	for _, r := range f.Readings {
		if r.Kind == k {
			return r, true
		}
	}
	return Reading{}, false
}

// String returns the identity or the readings of the frame, for people, and the
// problem in brackets.
func (f *Frame) String() string {
	var parts []string
	if f.ID != nil {
		parts = append(parts, f.ID.String())
	}
	for _, r := range f.Readings {
		parts = append(parts, r.String())
	}
	s := strings.Join(parts, ", ")
	if f.Problem != "" {
		s = strings.TrimSpace(s + " [" + string(f.Problem) + "]")
	}
	return s
}

// MarshalJSON writes the fields that the frame has. The readings are objects with
// the keys kind, value and unit.
func (f Frame) MarshalJSON() ([]byte, error) {
	j := struct {
		Format    Format    `json:"format"`
		Model     string    `json:"model,omitempty"`
		Device    string    `json:"device,omitempty"`
		Counter   *uint32   `json:"counter,omitempty"`
		Encrypted bool      `json:"encrypted,omitempty"`
		Authentic bool      `json:"authentic,omitempty"`
		Readings  []Reading `json:"readings,omitempty"`
		ID        ID        `json:"id,omitempty"`
		Problem   Problem   `json:"problem,omitempty"`
	}{
		Format: f.Format, Model: f.Model, Device: f.Device, Encrypted: f.Encrypted, Authentic: f.Authentic,
		Readings: f.Readings, ID: f.ID, Problem: f.Problem,
	}
	if f.HasCounter {
		j.Counter = &f.Counter
	}
	return json.Marshal(j)
}

// count sets the counter of the payload.
func (f *Frame) count(n uint32) { f.Counter, f.HasCounter = n, true }

// add appends a reading, unless the frame is full.
func (f *Frame) add(r Reading) {
	if len(f.Readings) >= maxReadings {
		f.Problem = TooMany
		return
	}
	f.Readings = append(f.Readings, r)
}

// addNumber appends the measurement n*10^-digits.
func (f *Frame) addNumber(k Kind, n int64, digits int, unit string) {
	f.add(Reading{Kind: k, Value: decimal(n, digits), Unit: unit})
}

// addState appends a state.
func (f *Frame) addState(k Kind, on bool) {
	r := Reading{Kind: k}
	if on {
		r.Value = 1
	}
	f.add(r)
}

// addEvent appends an event, or another text.
func (f *Frame) addEvent(k Kind, text string) { f.add(Reading{Kind: k, Text: text}) }

// numberReadings gives the readings of a kind that occurs more than once their
// numbers, in the order of the payload, unless the payload has numbered them itself.
func (f *Frame) numberReadings() {
	for i := range f.Readings {
		r := &f.Readings[i]
		if r.Index != 0 {
			continue
		}
		n := 1
		for j := range f.Readings[i+1:] {
			if other := &f.Readings[i+1+j]; other.Kind == r.Kind && other.Index == 0 {
				n++
				other.Index = n
			}
		}
		if n > 1 {
			r.Index = 1
		}
	}
}
