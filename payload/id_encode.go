package payload

import (
	"fmt"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// ManufacturerData returns the manufacturer data that b is broadcast as. An iBeacon has
// nothing beside it in its advertising data but the flags.
func (b IBeacon) ManufacturerData() hci.ManufacturerData {
	out := append([]byte{iBeaconType, iBeaconLength}, b.UUID[:]...) // in the order in which it is written
	out = wire.AppendBE16(wire.AppendBE16(out, b.Major), b.Minor)
	return hci.ManufacturerData{Company: companyApple, Data: append(out, uint8(b.Power))}
}

// EddystoneService is the service that the advertising data of every Eddystone beacon
// lists, beside its service data.
func EddystoneService() uuid.UUID { return uuid.From16(serviceEddystone) }

// ServiceData returns the service data that u is broadcast as.
func (u EddystoneUID) ServiceData() hci.ServiceData {
	out := append([]byte{eddystoneUID, uint8(u.Power)}, u.Namespace[:]...)
	out = append(out, u.Instance[:]...)
	return hci.ServiceData{UUID: EddystoneService(), Data: append(out, 0, 0)} // reserved
}

// ServiceData returns the service data that e is broadcast as.
func (e EddystoneEID) ServiceData() hci.ServiceData {
	return hci.ServiceData{UUID: EddystoneService(), Data: append([]byte{eddystoneEID, uint8(e.Power)}, e.EID[:]...)}
}

// maxEddystoneURL is the greatest length of a URL on air, without the octet of its
// scheme.
const maxEddystoneURL = 17

// ServiceData returns the service data that u is broadcast as. It returns an error for a
// URL that the format cannot express: another scheme than http and https, a space or
// another character that is not printable ASCII, or more than 17 octets after the scheme
// in the short form of the format.
func (u EddystoneURL) ServiceData() (hci.ServiceData, error) {
	out, err := appendEddystoneURL([]byte{eddystoneURL, uint8(u.Power)}, u.URL)
	if err != nil {
		return hci.ServiceData{}, fmt.Errorf("payload: Eddystone-URL %q: %w", u.URL, err)
	}
	return hci.ServiceData{UUID: EddystoneService(), Data: out}, nil
}

// appendEddystoneURL appends the short form of a URL.
func appendEddystoneURL(b []byte, url string) ([]byte, error) {
	rest, scheme := "", -1
	for i, prefix := range eddystoneSchemes { // the longer ones come first
		if tail, ok := cutPrefixFold(url, prefix); ok {
			rest, scheme = tail, i
			break
		}
	}
	if scheme < 0 {
		return nil, fmt.Errorf("it does not begin with http:// or https://")
	}
	if rest == "" {
		return nil, fmt.Errorf("there is nothing after %s", eddystoneSchemes[scheme])
	}
	b = append(b, uint8(scheme))
	begin := len(b)
	for rest != "" {
		code, tail := shortenURL(rest)
		if code <= 0x20 && tail == rest[1:] || code >= 0x7F {
			return nil, fmt.Errorf("%q is not printable ASCII: write it as a percent sign and two hexadecimal digits", rest[:1])
		}
		b, rest = append(b, code), tail
	}
	if n := len(b) - begin; n > maxEddystoneURL {
		return nil, fmt.Errorf("it takes %d octets, and an advertisement has %d: use a shorter address that leads there", n, maxEddystoneURL)
	}
	return b, nil
}

// shortenURL returns the octet for the beginning of a part of a URL, and the rest.
func shortenURL(s string) (code uint8, rest string) {
	for i, end := range eddystoneEnds {
		if tail, ok := strings.CutPrefix(s, end+"/"); ok {
			return uint8(i), tail
		}
	}
	for i, end := range eddystoneEnds {
		if tail, ok := strings.CutPrefix(s, end); ok {
			return uint8(i + len(eddystoneEnds)), tail
		}
	}
	return s[0], s[1:]
}

// cutPrefixFold is strings.CutPrefix without regard to case, as the scheme of a URL and
// its host are written.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
