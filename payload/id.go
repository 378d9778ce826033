package payload

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// ID is the identity that a beacon broadcasts: an IBeacon, EddystoneUID, EddystoneURL
// or EddystoneEID. The values are comparable.
type ID interface {
	// String returns the identity on one line of printable characters.
	String() string
	beaconID()
}

func (IBeacon) beaconID()      {}
func (EddystoneUID) beaconID() {}
func (EddystoneURL) beaconID() {}
func (EddystoneEID) beaconID() {}

// IBeacon is the identity of an iBeacon (Apple, Proximity Beacon Specification).
type IBeacon struct {
	UUID         uuid.UUID
	Major, Minor uint16
	// Power is the signal strength at a distance of 1 m, in dBm.
	Power int8
}

// String returns "iBeacon UUID/MAJOR/MINOR".
func (b IBeacon) String() string {
	return fmt.Sprintf("iBeacon %s/%d/%d", b.UUID.Long(), b.Major, b.Minor)
}

// MarshalJSON writes uuid, major, minor and power_1m.
func (b IBeacon) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		UUID  string `json:"uuid"`
		Major uint16 `json:"major"`
		Minor uint16 `json:"minor"`
		Power int8   `json:"power_1m"`
	}{b.UUID.Long(), b.Major, b.Minor, b.Power})
}

// The first two octets of an iBeacon.
const (
	iBeaconType   = 0x02
	iBeaconLength = 0x15
)

// decodeIBeacon decodes manufacturer data of Apple, most of which is not of an
// iBeacon.
func decodeIBeacon(b []byte) (f Frame, ok bool) {
	r := wire.NewReader(b)
	typ, length := r.U8(), r.U8()
	var id IBeacon
	r.Copy(id.UUID[:]) // in the order in which it is written
	id.Major, id.Minor, id.Power = r.BE16(), r.BE16(), r.I8()
	if typ != iBeaconType || length != iBeaconLength || r.Err() != nil {
		return f, false
	}
	return Frame{Format: FormatIBeacon, ID: id}, true
}

// EddystoneUID is the identity of an Eddystone-UID beacon.
type EddystoneUID struct {
	Namespace [10]byte
	Instance  [6]byte
	// Power is the signal strength at a distance of 0 m, in dBm.
	Power int8
}

// String returns "Eddystone NAMESPACE/INSTANCE".
func (u EddystoneUID) String() string { return fmt.Sprintf("Eddystone %x/%x", u.Namespace, u.Instance) }

// MarshalJSON writes namespace, instance and power_0m.
func (u EddystoneUID) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Namespace string `json:"namespace"`
		Instance  string `json:"instance"`
		Power     int8   `json:"power_0m"`
	}{hex.EncodeToString(u.Namespace[:]), hex.EncodeToString(u.Instance[:]), u.Power})
}

// EddystoneURL is the address of a web page that an Eddystone-URL beacon broadcasts.
// It consists of printable ASCII characters. Anyone can broadcast any page: do not
// open it unasked.
type EddystoneURL struct {
	URL   string
	Power int8 // dBm at 0 m
}

// String returns the URL.
func (u EddystoneURL) String() string { return u.URL }

// MarshalJSON writes url and power_0m.
func (u EddystoneURL) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		URL   string `json:"url"`
		Power int8   `json:"power_0m"`
	}{u.URL, u.Power})
}

// EddystoneEID is the identifier of an Eddystone-EID beacon, which changes. Only the
// service at which the beacon is registered can resolve it.
type EddystoneEID struct {
	EID   [8]byte
	Power int8 // dBm at 0 m
}

// String returns "Eddystone EID".
func (e EddystoneEID) String() string { return fmt.Sprintf("Eddystone %x", e.EID) }

// MarshalJSON writes eid and power_0m.
func (e EddystoneEID) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		EID   string `json:"eid"`
		Power int8   `json:"power_0m"`
	}{hex.EncodeToString(e.EID[:]), e.Power})
}

// The frame types of Eddystone. Numbers are big-endian.
const (
	eddystoneUID = 0x00
	eddystoneURL = 0x10
	eddystoneTLM = 0x20
	eddystoneEID = 0x30
)

// decodeEddystone decodes service data of Eddystone. A UID frame without its two
// reserved octets is in use, too.
func decodeEddystone(b []byte) (f Frame, ok bool) {
	f.Format = FormatEddystone
	r := wire.NewReader(b)
	typ := r.U8()
	switch typ {
	case eddystoneUID:
		id := EddystoneUID{Power: r.I8()}
		r.Copy(id.Namespace[:])
		r.Copy(id.Instance[:])
		f.ID = id
	case eddystoneURL:
		id := EddystoneURL{Power: r.I8()}
		if id.URL = readEddystoneURL(&r); id.URL == "" && r.Err() == nil {
			return f, false
		}
		f.ID = id
	case eddystoneEID:
		id := EddystoneEID{Power: r.I8()}
		r.Copy(id.EID[:])
		f.ID = id
	case eddystoneTLM:
		f.readTelemetry(&r)
	default:
		return f, false
	}
	if r.Err() != nil {
		return Frame{Format: FormatEddystone, Problem: CutShort}, true
	}
	return f, true
}

// readTelemetry reads a TLM frame. Version 1 is encrypted with the key of an EID
// beacon and the time of its service.
func (f *Frame) readTelemetry(r *wire.Reader) {
	switch r.U8() {
	case 0:
	case 1:
		f.Encrypted, f.Problem = true, NoKey
		return
	default:
		f.Problem = UnknownObject
		return
	}
	if v := r.BE16(); v != 0 { // 0: the beacon has no battery
		f.addNumber(Voltage, int64(v), 3, volt)
	}
	if v := r.BE16(); v != 0x8000 { // fixed point, 8 bits after it
		f.add(Reading{Kind: Temperature, Value: float64(int16(v)) / 256, Unit: celsius})
	}
	f.addNumber(SentCount, int64(r.BE32()), 0, "")
	f.addNumber(Uptime, int64(r.BE32()), 1, second)
}

// The parts of a URL that have an octet of their own. An end has another one with a slash
// behind it.
var (
	eddystoneSchemes = [...]string{"http://www.", "https://www.", "http://", "https://"}
	eddystoneEnds    = [...]string{".com", ".org", ".edu", ".net", ".info", ".biz", ".gov"}
)

// readEddystoneURL expands a URL; "" if it has a reserved octet.
func readEddystoneURL(r *wire.Reader) string {
	ends := &eddystoneEnds
	scheme := int(r.U8())
	if scheme >= len(eddystoneSchemes) {
		return ""
	}
	var u strings.Builder
	u.WriteString(eddystoneSchemes[scheme])
	for r.Len() > 0 {
		switch c := r.U8(); {
		case int(c) < len(ends):
			u.WriteString(ends[c] + "/")
		case int(c) < 2*len(ends):
			u.WriteString(ends[int(c)-len(ends)])
		case c > 0x20 && c < 0x7F:
			u.WriteByte(c)
		default:
			return ""
		}
	}
	return u.String()
}
