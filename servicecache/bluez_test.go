package servicecache_test

import (
	"fmt"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/servicecache"
	"github.com/moor-ble/moor/uuid"
)

// TestHashOfBlueZ compares the hash that BlueZ 5.82 stated for a table with the table.
func TestHashOfBlueZ(t *testing.T) {
	chr := func(h att.Handle, properties gatt.Properties, u gatt.UUID, cccd att.Handle) gatt.Characteristic {
		c := gatt.Characteristic{UUID: u, Handle: h, Value: h + 1, End: h + 1, Properties: properties}
		if cccd != 0 {
			c.End, c.Descriptors = cccd, []gatt.Descriptor{{UUID: gatt.UUID16(0x2902), Handle: cccd}}
		}
		return c
	}
	custom := func(n int) gatt.UUID { return uuid.MustParse(fmt.Sprintf("6d6f6f72-%04x-4000-8000-0123456789ab", n)) }
	const read, write, command, notify, indicate = gatt.PropRead, gatt.PropWrite, gatt.PropWriteWithoutResponse, gatt.PropNotify, gatt.PropIndicate
	p := &gatt.Profile{Services: []gatt.Service{
		{UUID: gatt.UUID16(0x1800), Handle: 0x01, End: 0x05, Primary: true, Characteristics: []gatt.Characteristic{
			chr(0x02, read, gatt.UUID16(0x2A00), 0),
			chr(0x04, read, gatt.UUID16(0x2A01), 0),
		}},
		{UUID: gatt.UUID16(0x1801), Handle: 0x06, End: 0x0F, Primary: true, Characteristics: []gatt.Characteristic{
			chr(0x07, indicate, gatt.UUID16(0x2A05), 0x09),
			chr(0x0A, read|write, gatt.UUID16(0x2B29), 0),
			chr(0x0C, read, gatt.UUID16(0x2B2A), 0),
		}},
		{UUID: gatt.UUID16(0x180A), Handle: 0x10, End: 0x12, Primary: true, Characteristics: []gatt.Characteristic{
			chr(0x11, read, gatt.UUID16(0x2A50), 0),
		}},
		{UUID: custom(1), Handle: 0x13, End: 0x1E, Primary: true, Characteristics: []gatt.Characteristic{
			chr(0x14, read|write, custom(2), 0),
			chr(0x16, read|notify, custom(3), 0x18),
			chr(0x19, command, custom(4), 0),
			chr(0x1B, read|write, custom(5), 0),
			chr(0x1D, read, custom(6), 0),
		}},
	}}
	var h servicecache.Hash
	if err := h.UnmarshalText([]byte("69998cb075654f494a555a0739900687")); err != nil {
		t.Fatal(err)
	}
	if !h.Proves(p) || h.Refutes(p) {
		t.Errorf("proved: %v, refuted: %v, want it proved", h.Proves(p), h.Refutes(p))
	}
	p.Services[3].Characteristics[0].Properties = read
	if h.Proves(p) || !h.Refutes(p) {
		t.Errorf("another table is proved: %v, refuted: %v, want it refuted", h.Proves(p), h.Refutes(p))
	}
}

// TestHashWithoutCCCDs has tables whose descriptors may not have been read, as when the
// device refuses to find them. BlueZ's hash leaves the configurations out, so that it
// fits such a table too, and is no proof of it.
func TestHashWithoutCCCDs(t *testing.T) {
	table := func(end att.Handle, p gatt.Properties, descs ...gatt.Descriptor) *gatt.Profile {
		return &gatt.Profile{Services: []gatt.Service{{UUID: gatt.UUID16(0x180F), Handle: 1, End: end, Primary: true, Characteristics: []gatt.Characteristic{
			{UUID: gatt.UUID16(0x2A19), Handle: 2, Value: 3, End: end, Properties: p, Descriptors: descs},
		}}}}
	}
	desc := func(h att.Handle, u uint16) gatt.Descriptor { return gatt.Descriptor{UUID: gatt.UUID16(u), Handle: h} }
	for _, c := range []struct {
		name  string
		p     *gatt.Profile
		proof bool
	}{
		{"configuration read", table(4, gatt.PropNotify, desc(4, 0x2902)), true},
		{"configuration not read", table(4, gatt.PropNotify), false},
		{"indications", table(4, gatt.PropIndicate|gatt.PropRead), false},
		{"another descriptor read alone", table(5, gatt.PropNotify, desc(5, 0x2901)), false},
		{"no room for one", table(3, gatt.PropNotify), true},
		{"another descriptor in its room", table(4, gatt.PropNotify, desc(4, 0x2901)), true},
		{"no notifications", table(4, gatt.PropRead), true},
	} {
		h := servicecache.Hash(computed(t, &servicecache.Entry{Profile: c.p}))
		other := h
		other[0]++
		if h.Proves(c.p) != c.proof || h.Refutes(c.p) || other.Proves(c.p) || !other.Refutes(c.p) {
			t.Errorf("%s: its hash proves %v and refutes %v, another one proves %v and refutes %v",
				c.name, h.Proves(c.p), h.Refutes(c.p), other.Proves(c.p), other.Refutes(c.p))
		}
		cache, e := open(t, "", nil), &servicecache.Entry{Profile: c.p, Hash: &h}
		if err := cache.Put(addr(t, 1), e); (err == nil) != c.proof {
			t.Errorf("%s: Put: %v", c.name, err)
		}
		e.Bonded = true
		put(t, cache, addr(t, 1), e)
	}
}
