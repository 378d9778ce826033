package esphome_test

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/uuid"
)

// TestPayloads holds payloads, worked out by hand after the encoding of protobuf.
func TestPayloads(t *testing.T) {
	const device = 0xC0FFEE000001
	tests := []struct {
		name string
		m    esphome.Message
		id   esphome.MessageID
		want string
	}{
		{"hello", &esphome.HelloRequest{Client: "ha", Major: 1, Minor: 10}, 1, "0a026861 1001 180a"},
		{"empty", &esphome.PingRequest{}, 7, ""},
		{"an address is 48 bits of a varint", &esphome.ReadRequest{Address: device, Handle: 3}, 73, "08 818080f0fe9f30 1003"},
		{"a negative error is ten octets", &esphome.GATTError{Handle: 1, Error: -1}, 82, "1001 18 ffffffffffffffffff01"},
		{"signal strengths are zigzag", &esphome.Advertisements{Reports: []esphome.Advertisement{
			{Address: 1, RSSI: -60, Kind: 1, Data: []byte{2, 1, 6}},
			{Address: 2, RSSI: -127},
		}}, 93, "0a0b 0801 1077 1801 2203020106 0a05 0802 10fd01"},
		{"addresses are not packed, and zeros of slots are written", &esphome.Slots{Limit: 2, Allocated: []esphome.Address{1, 2}}, 81, "0800 1002 1801 1802"},
		{"zeros of the scanner are written", &esphome.ScannerState{}, 126, "0800 1000 1800"},
		{"halves of UUIDs are not packed", &esphome.ServicesResponse{Address: 1, Services: []esphome.Service{{
			UUID: []uint64{0, 1}, Handle: 9,
			Characteristics: []esphome.Characteristic{{Short: 0x2A19, Handle: 11, Properties: 0x12}},
		}}}, 71, "0801 120f 0800 0801 1009 1a07 100b 1812 28 99 54"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			p, err := esphome.Pack(tt.m)
			if err != nil || p.ID != tt.id || hex.EncodeToString(p.Payload) != hex.EncodeToString(want) {
				t.Errorf("got %d, % x, %v; want %d, % x", p.ID, p.Payload, err, tt.id, want)
			}
			got, err := esphome.Unpack(esphome.Packed{ID: tt.id, Payload: want})
			if err != nil || !reflect.DeepEqual(got, tt.m) {
				t.Errorf("decoded: %v\n%s", err, cmp.Diff(tt.m, got))
			}
		})
	}
}

// TestUnpackAcceptsWhatOthersWrite: packed numbers, unknown fields of each type, numbers
// wider than their field.
func TestUnpackAcceptsWhatOthersWrite(t *testing.T) {
	tests := []struct {
		name, payload string
		id            esphome.MessageID
		want          esphome.Message
	}{
		{"packed", "0801 1003 1a020102", 81, &esphome.Slots{Free: 1, Limit: 3, Allocated: []esphome.Address{1, 2}}},
		{"unknown fields", "0801 a00601 a2060155 a50600000000 a1060000000000000000 1002", 73, &esphome.ReadRequest{Address: 1, Handle: 2}},
		{"the last value counts", "0801 0802", 73, &esphome.ReadRequest{Address: 2}},
		{"-1 as 32 bits", "18 ffffffff0f", 82, &esphome.GATTError{Error: -1}},
		{"time", "0d 00000000", 37, &esphome.TimeResponse{}},
		{"an unknown message", "ffff", 4711, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload, err := hex.DecodeString(strings.ReplaceAll(tt.payload, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			got, err := esphome.Unpack(esphome.Packed{ID: tt.id, Payload: payload})
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestUnpackRefuses(t *testing.T) {
	for payload, want := range map[string]string{
		"08":     "field 1",           // no value
		"0a05aa": "field 1",           // longer than the payload
		"0a0100": "field 1: the type", // octets for a number
		"00":     "tag",               // number 0
	} {
		b, _ := hex.DecodeString(payload)
		if m, err := esphome.Unpack(esphome.Packed{ID: 73, Payload: b}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v; want an error with %q", payload, m, err, want)
		}
	}
}

// TestUnpackRefusesLongUUIDs: one has two halves, so that a table takes no more memory than its rows.
func TestUnpackRefusesLongUUIDs(t *testing.T) {
	for _, u := range [][]uint64{{1}, {1, 2}, {1, 2, 3}, make([]uint64, 1000)} {
		for place, s := range map[string]esphome.Service{
			"service":        {UUID: u},
			"characteristic": {Characteristics: []esphome.Characteristic{{UUID: u}}},
			"descriptor":     {Characteristics: []esphome.Characteristic{{Descriptors: []esphome.Descriptor{{UUID: u}}}}},
		} {
			p, err := esphome.Pack(&esphome.ServicesResponse{Services: []esphome.Service{s}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := esphome.Unpack(p); (err != nil) != (len(u) > 2) {
				t.Errorf("%s: %d halves: %v", place, len(u), err)
			}
		}
	}
	packed, _ := hex.DecodeString("1205" + "0a03" + "010203") // a service whose UUID is packed
	if m, err := esphome.Unpack(esphome.Packed{ID: 71, Payload: packed}); err == nil {
		t.Errorf("packed: %+v", m)
	}
}

func TestPackRefusesWhatIsNoMessage(t *testing.T) {
	for _, m := range []esphome.Message{nil, 7, esphome.PingRequest{}, (*esphome.PingRequest)(nil), &esphome.Service{}} {
		if _, err := esphome.Pack(m); err == nil {
			t.Errorf("%T: no error", m)
		}
	}
}

func TestUUIDs(t *testing.T) {
	battery, vendor := uuid.From16(0x180F), uuid.MustParse("6d6f6f72-0001-4c61-6d70-000000000000")
	for _, tt := range []struct {
		u     uuid.UUID
		short bool
		long  []uint64
		n     uint32
	}{
		{battery, true, nil, 0x180F},
		{battery, false, []uint64{0x0000180F00001000, 0x800000805F9B34FB}, 0},
		{uuid.From32(0x12345678), true, nil, 0x12345678},
		{vendor, true, []uint64{0x6d6f6f7200014c61, 0x6d70000000000000}, 0},
		{uuid.From32(0), true, []uint64{0x1000, 0x800000805F9B34FB}, 0}, // zero is not written
	} {
		long, n := esphome.EncodeUUID(tt.u, tt.short)
		if !reflect.DeepEqual(long, tt.long) || n != tt.n {
			t.Errorf("%v: got %x, %x", tt.u, long, n)
		}
		if u, err := esphome.DecodeUUID(long, n); u != tt.u || err != nil {
			t.Errorf("%v: decoded %v, %v", tt.u, u, err)
		}
	}
	if _, err := esphome.DecodeUUID([]uint64{1}, 0); err == nil {
		t.Error("one half: no error")
	}
	if _, err := esphome.DecodeUUID(nil, 0); err == nil {
		t.Error("nothing: no error")
	}
}

func FuzzUnpack(f *testing.F) {
	for _, m := range []esphome.Message{
		&esphome.HelloRequest{Client: "x", Major: 1}, &esphome.Slots{Allocated: []esphome.Address{1}},
		&esphome.Advertisements{Reports: []esphome.Advertisement{{Address: 1, RSSI: -1, Data: []byte{1}}}},
		&esphome.ServicesResponse{Services: []esphome.Service{{UUID: []uint64{1, 2}, Characteristics: []esphome.Characteristic{{Descriptors: []esphome.Descriptor{{Short: 1}}}}}}},
	} {
		p, err := esphome.Pack(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint32(p.ID), p.Payload)
	}
	f.Fuzz(func(t *testing.T, id uint32, payload []byte) {
		m, err := esphome.Unpack(esphome.Packed{ID: esphome.MessageID(id), Payload: payload})
		if err != nil || m == nil {
			return
		}
		p, err := esphome.Pack(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := esphome.Unpack(p)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v: %v", m, again, err)
		}
	})
}
