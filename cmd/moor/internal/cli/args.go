package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// peerArg is the address of a device on the command line. Known reports whether
// its kind (public or random) was given too.
type peerArg struct {
	Addr  hci.Addr
	Known bool
}

// String returns the address, with its kind if Known.
func (p peerArg) String() string {
	if p.Known {
		return p.Addr.String()
	}
	return p.Addr.MAC.String()
}

// deviceArg is a device on the command line: its address, or its name on air.
type deviceArg struct {
	peerArg
	Name string // "" once the address is known
}

// String returns the name, or the address.
func (d deviceArg) String() string {
	if d.Name != "" {
		return d.Name
	}
	return d.peerArg.String()
}

// UnmarshalText parses an address as peerArg does. All other text is a name, unless it looks
// like an address with a mistake.
func (d *deviceArg) UnmarshalText(b []byte) error {
	err := d.peerArg.UnmarshalText(b)
	name := strings.TrimSpace(string(b))
	digits, kind, hasKind := strings.Cut(name, "/")
	mistaken := len(digits) >= 12 || strings.ContainsAny(digits, ":-") || hasKind && kind != ""
	sixParts := strings.Count(digits, ":") == 5 || strings.Count(digits, "-") == 5 && len(digits) == len("AA-BB-CC-DD-EE-FF")
	if err == nil || name == "" || sixParts || mistaken && consistsOf(digits, "0123456789abcdefABCDEF:-") {
		return err
	}
	*d = deviceArg{Name: name}
	return nil
}

// UnmarshalText parses an address with or without "/random" or "/public". Hyphens may
// stand for the colons, as other systems write addresses.
func (p *peerArg) UnmarshalText(b []byte) (err error) {
	p.Addr, p.Known, err = hci.ParseAddrKind(strings.ReplaceAll(string(b), "-", ":"))
	if err != nil {
		return fmt.Errorf("%q is not an address: write AA:BB:CC:DD:EE:FF, optionally followed by /random or /public", b)
	}
	return nil
}

// attrArg is an attribute on the command line: its handle or, if Handle is 0, its
// UUID.
type attrArg struct {
	Handle att.Handle
	UUID   uuid.UUID
}

// UnmarshalText parses a UUID of 4, 8 or 32 hexadecimal digits, the assigned name of one, or
// a handle: "0x" and hexadecimal digits, or a decimal number. Four digits without "0x"
// are a UUID, as UUIDs are usually written.
func (a *attrArg) UnmarshalText(b []byte) error {
	s := string(b)
	if n, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok && len(n) <= 4 && consistsOf(n, "0123456789abcdef") {
		return a.parseHandle(s, n, 16)
	}
	if u, err := uuid.Parse(s); err == nil {
		a.UUID = u
		return nil
	}
	if consistsOf(s, "0123456789") {
		return a.parseHandle(s, s, 10)
	}
	if u, ok := assigned.FindAttribute(s); ok {
		a.UUID = u
		return nil
	}
	return fmt.Errorf("%q is neither a UUID nor a handle nor a known name: write a UUID of 4, 8 or 32 hexadecimal digits (2a19), "+
		"a handle (0x0012 or 18), or a name (\"Battery Level\")", s)
}

// consistsOf reports whether s is not empty and has no characters but digits.
func consistsOf(s, digits string) bool { return s != "" && strings.Trim(s, digits) == "" }

func (a *attrArg) parseHandle(s, digits string, base int) error {
	v, err := strconv.ParseUint(digits, base, 16)
	if err != nil || v == 0 {
		return fmt.Errorf("handle %q is outside 0x0001 to 0xffff", s)
	}
	a.Handle = att.Handle(v)
	return nil
}

// String returns the attribute as it may be written on the command line.
func (a attrArg) String() string {
	if a.Handle != 0 {
		return a.Handle.String()
	}
	return a.UUID.String()
}

// parseHex parses the octets of a value. Each word may begin with "0x", and spaces,
// colons, hyphens, commas and underscores may separate octets.
func parseHex(words []string) ([]byte, error) {
	var out []byte
	split := func(r rune) bool { return strings.ContainsRune(" \t\n:-,_", r) }
	for _, word := range words {
		for _, part := range strings.FieldsFunc(word, split) {
			digits := part
			if len(part) > 2 && (part[:2] == "0x" || part[:2] == "0X") {
				digits = part[2:]
			}
			b, err := hex.DecodeString(digits)
			var bad hex.InvalidByteError
			switch {
			case errors.As(err, &bad):
				return nil, fmt.Errorf("%q is not hexadecimal: %q is not a digit", part, rune(bad))
			case err != nil:
				return nil, fmt.Errorf("%q has an odd number of hexadecimal digits: write two for each octet", part)
			}
			out = append(out, b...)
		}
	}
	return out, nil
}

// spanArg is a range of durations; a single duration is both ends.
type spanArg struct{ Min, Max time.Duration }

// UnmarshalText parses MIN or MIN-MAX.
func (s *spanArg) UnmarshalText(b []byte) (err error) {
	negative := strings.HasPrefix(string(b), "-")
	low, high, two := strings.Cut(strings.TrimPrefix(string(b), "-"), "-")
	if negative {
		low = "-" + low
	}
	if s.Min, err = parseDuration(low); err != nil {
		return err
	}
	if s.Max = s.Min; two {
		if s.Max, err = parseDuration(high); err != nil {
			return err
		}
	}
	if s.Min > s.Max {
		return fmt.Errorf("%q: the first duration must not be above the second", b)
	}
	return nil
}

// parseDuration parses a duration above 0.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d > 0 {
		return d, nil
	}
	return 0, durationError(s, d, err, "above 0", "such as 7.5ms, 2s or 1m30s")
}

// maxDuration is the longest duration in whole hours, which is 292 years.
const maxDuration = math.MaxInt64 / time.Hour

// isDuration matches a duration, however long.
var isDuration = regexp.MustCompile(`^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$`)

// durationError says why s, which was parsed as d, or with err, is not a duration in a
// range.
func durationError(s string, d time.Duration, err error, span, examples string) error {
	switch {
	case err == nil && d == 0:
		return fmt.Errorf("%q is too short: write a duration %s", s, span)
	case err == nil, isDuration.MatchString(s) && strings.HasPrefix(s, "-"):
		return fmt.Errorf("%q is negative: write a duration %s", s, span)
	case isDuration.MatchString(s):
		return fmt.Errorf("%q is too long: write at most %dh", s, maxDuration)
	}
	return fmt.Errorf("%q is not a duration: write a number with a unit, %s", s, examples)
}

// durationArg is a duration that is not negative.
type durationArg time.Duration

// UnmarshalText parses a Go duration or 0.
func (d *durationArg) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return durationError(string(b), v, err, "from 0 on", "such as 10s or 1m30s (0 for no limit)")
	}
	*d = durationArg(v)
	return nil
}
