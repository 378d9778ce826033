package sim

import (
	"bytes"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// exchange is a request and its answer.
type exchange struct{ ask, want []byte }

func (c client) wantExchanges(t *testing.T, all []exchange) {
	t.Helper()
	for _, x := range all {
		t.Logf("ask % x", x.ask)
		c.ask(x.ask...)
		c.wantPDU(x.want...)
	}
}

// TestDeviceRequests answers each request as Vol 3, Part F, 3.4 says.
func TestDeviceRequests(t *testing.T) {
	long := bytes.Repeat([]byte{0xAB}, 40)
	table := NewTable(
		gatt.ServiceDef{UUID: uuid.From16(0xFFE0), Characteristics: []gatt.CharDef{{
			UUID: uuid.From16(0xFFE1), Properties: gatt.PropRead | gatt.PropWrite | gatt.PropNotify, Value: long,
		}}},
		gatt.ServiceDef{
			UUID: uuid.MustParse("6d6f6f72-0001-4c61-6d70-000000000000"), Handle: 0x10, End: 0xFFFF,
			Includes: []gatt.IncludeDef{{UUID: uuid.From16(0xFFE0)}},
			Characteristics: []gatt.CharDef{{
				UUID: uuid.From16(0x2A00), Properties: gatt.PropWrite, Permissions: gatt.Permissions{Write: gatt.Require{Encryption: true}},
				Descriptors: []gatt.DescDef{{UUID: uuid.From16(0x2901), Value: []byte("name")}},
			}},
		})
	service := []byte{0, 0, 0, 0, 0, 0, 0x70, 0x6D, 0x61, 0x4C, 1, 0, 0x72, 0x6F, 0x6F, 0x6D}
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		d := a.NewDevice(&DeviceConfig{Table: table, MTU: 60})
		c := h.dial(d)
		c.wantExchanges(t, []exchange{
			{[]byte{0x10, 1, 0, 0xFF, 0xFF, 0, 0x28}, []byte{0x11, 6, 1, 0, 4, 0, 0xE0, 0xFF}},
			{[]byte{0x10, 5, 0, 0xFF, 0xFF, 0, 0x28}, append([]byte{0x11, 20, 0x10, 0, 0xFF, 0xFF}, service...)},
			{[]byte{0x10, 1, 0, 0xFF, 0xFF, 3, 0x28}, []byte{0x01, 0x10, 1, 0, 0x10}}, // no group
			{[]byte{0x06, 1, 0, 0xFF, 0xFF, 0, 0x28, 0xE0, 0xFF}, []byte{0x07, 1, 0, 4, 0}},
			{[]byte{0x06, 2, 0, 0xFF, 0xFF, 0, 0x28, 0xE0, 0xFF}, []byte{0x01, 0x06, 2, 0, 0x0A}},
			{[]byte{0x08, 1, 0, 4, 0, 3, 0x28}, []byte{0x09, 7, 2, 0, 0x1A, 3, 0, 0xE1, 0xFF}},
			{[]byte{0x08, 0x10, 0, 0xFF, 0xFF, 2, 0x28}, []byte{0x09, 8, 0x11, 0, 1, 0, 4, 0, 0xE0, 0xFF}},
			{[]byte{0x08, 1, 0, 0xFF, 0xFF, 0, 0x2A}, []byte{0x01, 0x08, 0x13, 0, 0x02}}, // not readable
			{[]byte{0x08, 4, 0, 1, 0, 3, 0x28}, []byte{0x01, 0x08, 4, 0, 0x01}},
			{[]byte{0x04, 4, 0, 0xFF, 0xFF}, []byte{0x05, 1, 4, 0, 2, 0x29, 0x10, 0, 0, 0x28, 0x11, 0, 2, 0x28, 0x12, 0, 3, 0x28, 0x13, 0, 0, 0x2A}},
			{[]byte{0x04, 0x15, 0, 0xFF, 0xFF}, []byte{0x01, 0x04, 0x15, 0, 0x0A}},
			{[]byte{0x0A, 3, 0}, append([]byte{0x0B}, long[:22]...)},
			{[]byte{0x0C, 3, 0, 22, 0}, append([]byte{0x0D}, long[:18]...)},
			{[]byte{0x0C, 3, 0, 41, 0}, []byte{0x01, 0x0C, 3, 0, 0x07}},
			{[]byte{0x0A, 5, 0}, []byte{0x01, 0x0A, 5, 0, 0x01}},
			{[]byte{0x0A, 5}, []byte{0x01, 0x0A, 0, 0, 0x04}},
			{[]byte{0x0E, 3, 0, 4, 0}, []byte{0x01, 0x0E, 0, 0, 0x06}},
			{[]byte{0x12, 0x13, 0, 1}, []byte{0x01, 0x12, 0x13, 0, 0x05}}, // not encrypted
			{[]byte{0x12, 2, 0, 1}, []byte{0x01, 0x12, 2, 0, 0x03}},
			{[]byte{0x12, 3, 0, 9, 8}, []byte{0x13}},
			{[]byte{0x08, 1, 0, 4, 0, 3}, []byte{0x01, 0x08, 0, 0, 0x04}}, // no UUID
			{[]byte{0x0C, 5, 0, 0, 0}, []byte{0x01, 0x0C, 5, 0, 0x01}},
			{[]byte{0x0A, 0x13, 0}, []byte{0x01, 0x0A, 0x13, 0, 0x02}},
			{[]byte{0x12, 5, 0, 1}, []byte{0x01, 0x12, 5, 0, 0x01}},
			{[]byte{0x16, 2, 0, 0, 0, 1}, []byte{0x01, 0x16, 2, 0, 0x03}},
			{[]byte{0x16, 3, 0, 0, 0, 5}, []byte{0x17, 3, 0, 0, 0, 5}},
			{[]byte{0x18, 0}, []byte{0x19}}, // canceled
			{[]byte{0x16, 3, 0, 9, 0, 5}, []byte{0x17, 3, 0, 9, 0, 5}},
			{[]byte{0x18, 1}, []byte{0x01, 0x18, 3, 0, 0x07}}, // behind the value
			{[]byte{0x16, 3, 0, 1, 0, 7, 7}, []byte{0x17, 3, 0, 1, 0, 7, 7}},
			{[]byte{0x16, 3, 0, 3, 0, 6}, []byte{0x17, 3, 0, 3, 0, 6}},
			{[]byte{0x18, 1}, []byte{0x19}},
			{[]byte{0x0A, 3, 0}, []byte{0x0B, 9, 7, 7, 6}},
			{[]byte{0x02, 0, 2}, []byte{0x03, 60, 0}},
			{[]byte{0x12, 4, 0, 1}, []byte{0x01, 0x12, 4, 0, 0x0D}},
			{[]byte{0x12, 4, 0, 1, 0}, []byte{0x13}},
			{[]byte{0x0A, 4, 0}, []byte{0x0B, 1, 0}},
		})
		d.SetValue(3, []byte{5, 6})
		c.wantPDU(0x1B, 3, 0, 5, 6)
		for _, forgotten := range [][]att.Handle{{3}, nil} {
			c.wantExchanges(t, []exchange{{[]byte{0x12, 4, 0, 1, 0}, []byte{0x13}}})
			d.ForgetSubscriptions(0x13) // another one
			c.wantExchanges(t, []exchange{{[]byte{0x0A, 4, 0}, []byte{0x0B, 1, 0}}})
			d.ForgetSubscriptions(forgotten...)
			c.wantExchanges(t, []exchange{{[]byte{0x0A, 4, 0}, []byte{0x0B, 0, 0}}})
		}
		c.data(c.handle, true, frame(cidSMP, 1, 3, 0, 1, 16, 1, 1))
		c.wantOn(cidSMP, 0x05, 0x05)
		c.data(c.handle, true, frame(cidSignaling, 0x14, 7, 0, 0))
		c.wantOn(cidSignaling, 0x01, 7, 2, 0, 0, 0)
		if v := d.Value(3); !bytes.Equal(v, []byte{5, 6}) {
			t.Errorf("value is % x", v)
		}
	})
}

// TestDatabaseHash compares the table's hash with that of package gatt.
func TestDatabaseHash(t *testing.T) {
	services := []gatt.ServiceDef{GenericAttribute(true, true), information("T-1"), battery(9)}
	s, err := gatt.NewServer(&gatt.ServerConfig{Services: services, DisableGAP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	table := NewTable(services...)
	got := table.row(table.Find(uuid.From16(typeDatabaseHash))).Value
	if want := s.Hash(); !bytes.Equal(got, want[:]) {
		t.Errorf("hash % x, want % x", got, want)
	}
}

// TestTableChanges boots with an empty table, and gets new firmware twice.
func TestTableChanges(t *testing.T) {
	old := NewTable(GenericAttribute(true, false), battery(1))
	moved := NewTable(GenericAttribute(true, false), information("new"), battery(2))
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		begin := time.Now()
		d := a.NewDevice(&DeviceConfig{TableChanges: []TableChange{
			{At: 5 * time.Second, Table: old}, {At: 10 * time.Second, Table: moved, Indicate: true},
		}})
		c := h.dial(d)
		groups := []byte{0x10, 1, 0, 0xFF, 0xFF, 0, 0x28}
		c.wantExchanges(t, []exchange{{groups, []byte{0x01, 0x10, 1, 0, 0x0A}}})
		time.Sleep(5*time.Second - time.Since(begin))
		c.wantExchanges(t, []exchange{
			{groups, []byte{0x11, 6, 1, 0, 4, 0, 1, 0x18, 5, 0, 8, 0, 0x0F, 0x18}},
			{[]byte{0x12, 4, 0, 2, 0}, []byte{0x13}}, // subscribes to Service Changed
		})
		c.wantPDU(0x1D, 3, 0, 1, 0, 0xFF, 0xFF)
		if took := time.Since(begin); took < 10*time.Second || took > 10*time.Second+100*time.Millisecond {
			t.Errorf("indicated after %v, want 10 s and an event", took)
		}
		c.ask(0x1E)
		c.wantExchanges(t, []exchange{
			{groups, []byte{0x11, 6, 1, 0, 4, 0, 1, 0x18, 5, 0, 9, 0, 0x0A, 0x18, 10, 0, 13, 0, 0x0F, 0x18}},
		})
		d.SetTable(old, false) // silently
		c.wantExchanges(t, []exchange{{[]byte{0x0A, 7, 0}, []byte{0x0B, 1}}})
	})
}

// TestTableWithout leaves handles as they are.
func TestTableWithout(t *testing.T) {
	table := sensor()
	bare := table.Without(uuid.From16(typeCCCD))
	if len(table) != 4 || len(bare) != 3 || bare.Find(uuid.From16(0xFFE1)) != 3 || bare.Find(uuid.From16(typeCCCD)) != 0 {
		t.Errorf("without CCCD: %+v", bare)
	}
}

// TestDeviceAdvertises a name, cut to fit.
func TestDeviceAdvertises(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		a.NewDevice(&DeviceConfig{Name: "sensor", Peer: &RawPeerConfig{Interval: time.Second}})
		long := a.NewDevice(&DeviceConfig{Name: "a name of more than twenty-six octets", Peer: &RawPeerConfig{Interval: time.Second}})
		h.scan(hci.LESetScanParameters{}, false)
		for range 2 {
			r := next[*hci.LEAdvertisingReport](h).Reports[0]
			want := "\x02\x01\x06\x07\x09sensor"
			if r.Addr == long.Address() {
				want = "\x02\x01\x06\x1b\x08a name of more than twenty"
			}
			if string(r.Data) != want {
				t.Errorf("advertises %q, want %q", r.Data, want)
			}
		}
	})
}
