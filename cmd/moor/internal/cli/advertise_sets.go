package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/uuid"
)

// legacyRoom is the room in octets of advertising data and of a scan response without
// extended advertising.
const legacyRoom = 31

// beaconFlags are the flags of a beacon.
const beaconFlags = hci.FlagGeneralDiscoverable | hci.FlagNoBREDR

// beacon is the main content of a set.
type beacon struct {
	text   string
	id     payload.ID
	fields hci.AdvFields
	raw    []byte // the whole data, instead of fields
}

// sets returns the sets of the command line.
func (c *advertiseCmd) sets() (all []advertised, err error) {
	extra := c.extra()
	if len(c.words) == 0 {
		if extra.Name == "" && len(extra.Services)+len(extra.Manufacturer) == 0 && len(c.Periodic) == 0 {
			return nil, errors.New("nothing to advertise: write a set, such as ibeacon UUID MAJOR MINOR, or --name, --service or --manufacturer")
		}
		return c.plainSet(extra)
	}
	for words := range splitWords(c.words, "+") {
		b, err := c.parseBeacon(words)
		if err != nil {
			return nil, err
		}
		s, err := c.newSet(b, extra)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.text, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// splitWords iterates over the runs of words between separators.
func splitWords(words []string, separator string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for {
			i := slices.Index(words, separator)
			if i < 0 {
				yield(words)
				return
			}
			if !yield(words[:i]) {
				return
			}
			words = words[i+1:]
		}
	}
}

// extra returns the fields of the flags.
func (c *advertiseCmd) extra() hci.AdvFields {
	return hci.AdvFields{Name: c.Name, Services: c.Services, Manufacturer: c.Manufacturers}
}

// options returns the options that all sets have.
func (c *advertiseCmd) options() controller.AdvertiseOptions {
	o := controller.AdvertiseOptions{
		NonConnectable: true, Interval: time.Duration(c.Interval), Extended: c.Extended || c.Coded || len(c.Periodic) > 0,
	}
	if c.Coded {
		o.PrimaryPHY = hci.PHYCoded
	}
	if len(c.Periodic) > 0 {
		o.Periodic = &controller.PeriodicOptions{Data: hci.AdvData(c.Periodic)}
	}
	return o
}

// plainSet returns the set that has nothing but the fields of the flags.
func (c *advertiseCmd) plainSet(f hci.AdvFields) ([]advertised, error) {
	f.Flags = beaconFlags
	o := c.options()
	limit := legacyRoom
	if o.Extended {
		limit = extendedRoom
	}
	data, response, err := f.Split(limit)
	if err != nil {
		return nil, err
	}
	o.Data, o.Response = data, response
	var parts []string
	if c.Name != "" {
		parts = append(parts, strconv.Quote(c.Name))
	}
	for _, u := range c.Services {
		parts = append(parts, "service "+u.String())
	}
	for _, m := range c.Manufacturers {
		parts = append(parts, fmt.Sprintf("company 0x%04x", m.Company))
	}
	if len(parts) == 0 {
		parts = append(parts, "periodic advertising")
	}
	return []advertised{{text: strings.Join(parts, ", "), opts: o}}, nil
}

// extendedRoom is the room of an extended set in octets, on controllers that take as much
// as there may be.
const extendedRoom = 1650

// newSet returns the set of a beacon. The fields of the flags go into the scan response,
// or behind the data of an extended set.
func (c *advertiseCmd) newSet(b beacon, extra hci.AdvFields) (advertised, error) {
	o := c.options()
	limit := legacyRoom
	if o.Extended {
		limit = extendedRoom
	}
	var err error
	if o.Data = b.raw; b.raw == nil {
		if o.Data, err = b.fields.Append(nil, limit); err != nil {
			return advertised{}, err
		}
	}
	switch {
	case o.Extended:
		o.Data, err = extra.Append(o.Data, limit-len(o.Data))
	default:
		o.Response, err = extra.Append(nil, limit)
	}
	if err != nil {
		return advertised{}, fmt.Errorf("--name, --service and --manufacturer: %w", err)
	}
	if len(o.Data) > limit {
		return advertised{}, fmt.Errorf("%d octets, and %d fit: shorten them, or add --extended", len(o.Data), limit)
	}
	return advertised{text: b.text, id: b.id, opts: o}, nil
}

// parseBeacon reads the words of a set.
func (c *advertiseCmd) parseBeacon(words []string) (beacon, error) {
	kinds := map[string]struct {
		usage string
		parse func(words []string) (beacon, error)
	}{
		"ibeacon":       {"ibeacon UUID MAJOR MINOR", c.parseIBeacon},
		"eddystone-url": {"eddystone-url URL", c.parseEddystoneURL},
		"eddystone-uid": {"eddystone-uid NAMESPACE INSTANCE", c.parseEddystoneUID},
		"raw":           {"raw HEX", parseRaw},
	}
	if len(words) == 0 {
		return beacon{}, errors.New("there is no set beside a plus sign: write ibeacon, eddystone-url, eddystone-uid or raw")
	}
	k, ok := kinds[words[0]]
	if !ok {
		return beacon{}, fmt.Errorf("%q is no kind of set: write ibeacon, eddystone-url, eddystone-uid or raw", words[0])
	}
	if want := strings.Count(k.usage, " "); words[0] != "raw" && len(words)-1 != want || len(words) == 1 {
		return beacon{}, fmt.Errorf("%s: write %s", strings.Join(words, " "), k.usage)
	}
	b, err := k.parse(words[1:])
	if err != nil {
		return beacon{}, fmt.Errorf("%s: %w", words[0], err)
	}
	return b, nil
}

// power1m returns the signal strength at a distance of 1 m.
func (c *advertiseCmd) power1m() int8 {
	if c.Power == 0 {
		return -59
	}
	return int8(c.Power)
}

// power0m returns the signal strength at no distance, as Eddystone defines it: 41 dB more.
func (c *advertiseCmd) power0m() int8 { return int8(min(int(c.power1m())+41, 20)) }

func (c *advertiseCmd) parseIBeacon(words []string) (beacon, error) {
	id := payload.IBeacon{Power: c.power1m()}
	var err error
	if id.UUID, err = uuid.Parse(words[0]); err != nil {
		return beacon{}, err
	}
	for i, to := range []*uint16{&id.Major, &id.Minor} {
		v, err := strconv.ParseUint(words[1+i], 0, 16)
		if err != nil {
			return beacon{}, fmt.Errorf("%q: write a number from 0 to 65535", words[1+i])
		}
		*to = uint16(v)
	}
	return beacon{text: id.String(), id: id, fields: hci.AdvFields{Flags: beaconFlags, Manufacturer: []hci.ManufacturerData{id.ManufacturerData()}}}, nil
}

// eddystone returns the beacon of a frame of Eddystone.
func eddystone(id payload.ID, d hci.ServiceData) beacon {
	return beacon{text: id.String(), id: id, fields: hci.AdvFields{
		Flags: beaconFlags, Services: []uuid.UUID{payload.EddystoneService()}, ServiceData: []hci.ServiceData{d},
	}}
}

func (c *advertiseCmd) parseEddystoneURL(words []string) (beacon, error) {
	id := payload.EddystoneURL{URL: words[0], Power: c.power0m()}
	d, err := id.ServiceData()
	if err != nil {
		return beacon{}, err
	}
	return eddystone(id, d), nil
}

func (c *advertiseCmd) parseEddystoneUID(words []string) (beacon, error) {
	id := payload.EddystoneUID{Power: c.power0m()}
	for i, to := range [][]byte{id.Namespace[:], id.Instance[:]} {
		b, err := hex.DecodeString(words[i])
		if err != nil || len(b) != len(to) {
			return beacon{}, fmt.Errorf("%q: write %d hexadecimal digits", words[i], 2*len(to))
		}
		copy(to, b)
	}
	return eddystone(id, id.ServiceData()), nil
}

func parseRaw(words []string) (beacon, error) {
	b, err := parseHex(words)
	if err != nil {
		return beacon{}, err
	}
	whole := 0
	for _, content := range hci.AdvData(b).All() {
		whole += 2 + len(content)
	}
	if whole != len(b) {
		return beacon{}, errors.New("the octets are no whole AD structures: each begins with its length, then its type")
	}
	return beacon{text: fmt.Sprintf("%d octets", len(b)), raw: b}, nil
}
