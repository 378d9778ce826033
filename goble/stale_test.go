package goble_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// shelf is a device with a characteristic 2A19 with the value 01, and a Client on it whose
// Service Changed is enabled.
type shelf struct {
	p    *sim.Peripheral
	c    ble.Client
	char *ble.Characteristic
}

// newShelf connects to the device.
func newShelf(t *testing.T) *shelf {
	t.Helper()
	r := newRadio(t)
	s := &shelf{}
	addr := hci.Addr{MAC: hci.MAC{0x77, 0, 0, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom}
	p, err := r.air.NewPeripheral(t.Context(), &sim.PeripheralConfig{Name: "shelf", Address: addr, Services: s.services()})
	if err != nil {
		t.Fatal(err)
	}
	s.p = p
	t.Cleanup(func() { p.Close() })
	if s.c, err = r.manager(t, connmgr.Config{}).Dial(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.c.CancelConnection() })
	s.char = s.discover(t, 0x2A19)
	time.Sleep(10 * time.Second) // Service Changed is enabled
	return s
}

// services returns the table with others before the service of 2A19.
func (s *shelf) services(others ...gatt.ServiceDef) []gatt.ServiceDef {
	table := append([]gatt.ServiceDef{sim.GenericAccess("shelf"), sim.GenericAttribute(true, true)}, others...)
	return append(table, s.service(0x180F, 0x2A19, 1))
}

// service returns a service with one characteristic and its descriptors.
func (s *shelf) service(svc, chr uint16, v byte) gatt.ServiceDef {
	return gatt.ServiceDef{UUID: gatt.UUID16(svc), Characteristics: []gatt.CharDef{{
		UUID: gatt.UUID16(chr), Properties: gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse | gatt.PropNotify, Value: []byte{v},
	}}}
}

// change changes the table, which the device indicates, and waits until that has settled.
func (s *shelf) change(t *testing.T, others ...gatt.ServiceDef) {
	t.Helper()
	if err := s.p.Server().SetServices(t.Context(), s.services(others...)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
}

// discover returns a characteristic of a new discovery.
func (s *shelf) discover(t *testing.T, u uint16) *ble.Characteristic {
	t.Helper()
	p, err := s.c.DiscoverProfile(true)
	if err != nil {
		t.Fatal(err)
	}
	c := p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(u)))
	if c == nil || c.CCCD == nil {
		t.Fatalf("characteristic %+v", c)
	}
	return c
}

// uses are the operations on a characteristic and its descriptor.
func (s *shelf) uses(c *ble.Characteristic) map[string]error {
	errs := map[string]error{"subscription": s.c.Subscribe(c, false, func([]byte) {})}
	_, errs["read"] = s.c.ReadCharacteristic(c)
	_, errs["long read"] = s.c.ReadLongCharacteristic(c)
	_, errs["descriptor read"] = s.c.ReadDescriptor(c.CCCD)
	errs["write"] = s.c.WriteCharacteristic(c, []byte{7}, false)
	errs["long write"] = s.c.WriteCharacteristic(c, make([]byte, 300), false)
	errs["command"] = s.c.WriteCharacteristic(c, []byte{8}, true)
	errs["descriptor write"] = s.c.WriteDescriptor(c.CCCD, []byte{0, 0})
	return errs
}

// A Characteristic of before an indicated change does not reach the attribute that has its
// handle now.
func TestOldCharacteristicAfterChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		old := s.char
		s.change(t, s.service(0xFE59, 0xFE5A, 0xEE))
		wantStale := func() {
			t.Helper()
			for use, err := range s.uses(old) {
				if !errors.Is(err, gatt.ErrStale) {
					t.Errorf("%s: %v, want ErrStale", use, err)
				}
			}
			if !bytes.Equal(old.Value, nil) {
				t.Errorf("value % x, want none", old.Value)
			}
		}
		wantStale()
		for u, want := range map[uint16]byte{0x2A19: 1, 0xFE5A: 0xEE} {
			if v, err := s.c.ReadCharacteristic(s.discover(t, u)); err != nil || !bytes.Equal(v, []byte{want}) {
				t.Errorf("%04x: % x, %v; want %02x", u, v, err, want)
			}
		}
		wantStale()
	})
}

// A table that is again as it was has the Characteristics of before, as has one of which the
// device says without a reason that it has changed.
func TestCharacteristicStaysWithTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		s.change(t, s.service(0xFE59, 0xFE5A, 0xEE))
		s.change(t)
		for use, err := range s.uses(s.char) {
			if err != nil {
				t.Errorf("%s: %v", use, err)
			}
		}
		s.discover(t, 0x2A19)
		for use, err := range s.uses(s.char) {
			if err != nil {
				t.Errorf("%s, after another discovery: %v", use, err)
			}
		}
	})
}

// A copy of a Characteristic is as good as itself. One that a program has made is known by
// its handle.
func TestCharacteristicOfProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		twin := func() (*ble.Characteristic, *ble.Characteristic) {
			c, d := *s.char, *s.char.CCCD
			c.CCCD = &d
			return &c, &ble.Characteristic{ValueHandle: c.ValueHandle, CCCD: &ble.Descriptor{Handle: d.Handle}}
		}
		copied, made := twin()
		for _, c := range []*ble.Characteristic{copied, made} {
			for use, err := range s.uses(c) {
				if err != nil {
					t.Errorf("%s: %v", use, err)
				}
			}
		}
		s.change(t, s.service(0xFE59, 0xFE5A, 0xEE))
		s.discover(t, 0x2A19)
		for use, err := range s.uses(copied) {
			if !errors.Is(err, gatt.ErrStale) {
				t.Errorf("%s after a change: %v, want ErrStale", use, err)
			}
		}
		if v, err := s.c.ReadCharacteristic(made); err != nil || !bytes.Equal(v, []byte{0xEE}) {
			t.Errorf("handle %04x: % x, %v; want ee", made.ValueHandle, v, err)
		}
	})
}
