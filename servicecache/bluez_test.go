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
