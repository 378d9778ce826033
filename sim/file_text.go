package sim

import (
	"fmt"
	"math"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/yamlfile"
)

// reader returns the reader of the scalars of scenario files. names are the addresses of
// the devices by name; with nil names, every name is an address.
func reader(names map[string]hci.Addr) yamlfile.Text {
	return func(t reflect.Type, text string) (any, bool, error) {
		switch t {
		case reflect.TypeFor[hci.Addr]():
			v, err := readAddr(text, names)
			return v, true, err
		case reflect.TypeFor[hci.Status]():
			v, err := readNumber(text, math.MaxUint8, "status", func(i uint64) string { return hci.Status(i).String() })
			return v, true, err
		case reflect.TypeFor[hci.Opcode]():
			v, err := readNumber(text, math.MaxUint16, "command", func(i uint64) string { return hci.Opcode(i).String() })
			return v, true, err
		case reflect.TypeFor[att.Code](), reflect.TypeFor[att.Opcode]():
			name := func(i uint64) string { return att.Code(i).String() }
			if t == reflect.TypeFor[att.Opcode]() {
				name = func(i uint64) string { return att.Opcode(i).String() }
			}
			v, err := readNumber(text, math.MaxUint8, "ATT code", name)
			return v, true, err
		case reflect.TypeFor[hci.Features]():
			v, err := readFeatures(text)
			return v, true, err
		case reflect.TypeFor[CompletedReports]():
			v, err := readChoice(text, completedNames)
			return v, true, err
		case reflect.TypeFor[DuplicateRule]():
			v, err := readChoice(text, duplicateNames)
			return v, true, err
		case reflect.TypeFor[gatt.Properties]():
			return nil, true, fmt.Errorf("%q: no properties can be written here", text)
		case reflect.TypeFor[int]():
			if text == "always" {
				return Always, true, nil
			}
		}
		return nil, false, nil
	}
}

func readAddr(text string, names map[string]hci.Addr) (hci.Addr, error) {
	if a, ok := names[text]; ok {
		return a, nil
	}
	a, err := hci.ParseAddr(text)
	if err == nil || names == nil {
		return a, nil
	}
	return a, fmt.Errorf("%q is neither the name of a peripheral nor an address: write an address such as C0:FF:EE:00:00:01/random", text)
}

var plainMarks = strings.NewReplacer(" ", "-", "_", "-", ",", "")

// plainName makes names comparable: lower case, with hyphens, and without a value in
// parentheses.
func plainName(s string) string {
	s, _, _ = strings.Cut(strings.ToLower(s), " (")
	return plainMarks.Replace(s)
}

// readNumber reads a number up to most, or its name.
func readNumber(text string, most uint64, kind string, name func(uint64) string) (uint64, error) {
	if i, err := strconv.ParseUint(text, 0, 64); err == nil {
		if i > most {
			return 0, fmt.Errorf("%s: write a number from 0 to %#x", text, most)
		}
		return i, nil
	}
	want := plainName(text)
	for i := range most + 1 {
		if i > math.MaxUint8 && i&0x3FF > math.MaxUint8 {
			continue // no command of the specification has such a number in its group
		}
		if plainName(name(i)) == want {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no %s %q: write its number such as 0x08, or its name in the specification", kind, text)
}

// readFeatures reads the names or numbers of features, separated by commas.
func readFeatures(text string) (f hci.Features, err error) {
	if i, err := strconv.ParseUint(text, 0, 64); err == nil {
		return hci.Features(i), nil
	}
	for word := range strings.SplitSeq(text, ",") {
		want := strings.TrimPrefix(plainName(strings.TrimSpace(word)), "le-")
		i := slices.IndexFunc(allFeatures(), func(n string) bool { return strings.TrimPrefix(plainName(n), "le-") == want })
		if i < 0 {
			return 0, fmt.Errorf("no feature %q: there are %s", strings.TrimSpace(word), strings.Join(hyphened(allFeatures()), ", "))
		}
		f |= 1 << i
	}
	return f, nil
}

// allFeatures returns the names of the features that have one, by their bits.
func allFeatures() []string { return hci.Features(1<<49 - 1).Names() }

func hyphened(names []string) (all []string) {
	for _, n := range names {
		all = append(all, plainName(n))
	}
	return all
}

var completedNames = []string{"promptly", "one-by-one", "by-half", "at-event-end"}

var duplicateNames = []string{"by-type", "by-address", "by-data"}

func readChoice(text string, names []string) (uint8, error) {
	i := slices.Index(names, text)
	if i < 0 {
		return 0, fmt.Errorf("%q: there are %s", text, strings.Join(names, ", "))
	}
	return uint8(i), nil
}

// coreVersion is the Core version of a controller as HCI encodes it; 0 is none.
type coreVersion uint8

var coreVersions = map[string]coreVersion{
	"4.0": 6, "4.1": 7, "4.2": 8, "5.0": 9, "5": 9, "5.1": 10, "5.2": 11, "5.3": 12, "5.4": 13, "6.0": 14, "6": 14, "6.1": 15,
}

// UnmarshalText reads a version such as 5.3.
func (v *coreVersion) UnmarshalText(b []byte) error {
	n, ok := coreVersions[string(b)]
	if !ok {
		return fmt.Errorf("no Core version %q: write 4.0 to 6.1", b)
	}
	*v = n
	return nil
}

// attachment is the place at which a program reaches a controller.
type attachment string

// UnmarshalText reads vhci, pty, tcp:HOST:PORT or unix:PATH.
func (a *attachment) UnmarshalText(b []byte) error {
	s := string(b)
	kind, rest, _ := strings.Cut(s, ":")
	ok := s == "vhci" || s == "pty" || kind == "unix" && rest != ""
	if kind == "tcp" {
		_, port, err := net.SplitHostPort(rest)
		ok = err == nil && port != ""
	}
	if !ok {
		return fmt.Errorf("%q: write vhci, pty, tcp:HOST:PORT or unix:PATH", s)
	}
	*a = attachment(s)
	return nil
}

// Place is the place of a device relative to controllers. The zero Place is the path of
// the scenario.
type Place struct {
	// Distance is the distance, from which RSSI and Loss follow: -59 dBm at 1 m, 20 dB less
	// at ten times the distance, and packets get lost below -85 dBm, all of them below
	// -95 dBm (63 m).
	Distance Distance
	// RSSI, Loss and Noise are those of Path, and replace those of the Distance.
	RSSI  *int8
	Loss  *float64
	Noise uint8
}

// Distance is a distance in meters.
type Distance float64

// UnmarshalText reads a number of meters, with or without the unit: 3, 3m, 50cm, 0.1km.
func (d *Distance) UnmarshalText(b []byte) error {
	s, factor := strings.TrimSpace(string(b)), 1.0
	for _, unit := range []struct {
		name   string
		factor float64
	}{{"cm", 0.01}, {"km", 1000}, {"m", 1}} {
		if rest, ok := strings.CutSuffix(s, unit.name); ok {
			s, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return fmt.Errorf("%q: write a distance above 0 in meters, such as 3m or 50cm", b)
	}
	*d = Distance(v * factor)
	return nil
}

// isHere reports whether the place says anything.
func (p Place) isHere() bool { return p != (Place{}) }

func (p Place) validatePlace() error {
	if p.Loss != nil {
		return checkLoss(*p.Loss)
	}
	return nil
}

// Strengths of the model of distance, in dBm.
const (
	atOneMeter = -59.0
	losesSome  = -85.0
	losesAll   = -95.0
)

// Path returns the radio path of the place; base is the path of the scenario.
func (p Place) Path(base Path) Path {
	if p.Distance > 0 {
		rssi := atOneMeter - 20*math.Log10(float64(p.Distance))
		base.RSSI = int8(max(-127, min(20, math.Round(rssi))))
		base.Loss = max(base.Loss, min(1, max(0, (losesSome-rssi)/(losesSome-losesAll))))
	}
	if p.RSSI != nil {
		base.RSSI = *p.RSSI
	}
	if p.Loss != nil {
		base.Loss = *p.Loss
	}
	if p.Noise > 0 {
		base.RSSINoise = p.Noise
	}
	return base
}
