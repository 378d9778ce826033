package goble

import (
	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// advertisement presents a report as a ble.Advertisement. It is immutable.
type advertisement struct{ r controller.Report }

func (a advertisement) LocalName() string { return a.r.Name() }

// ManufacturerData returns the first manufacturer specific field with its
// company identifier.
func (a advertisement) ManufacturerData() []byte {
	for _, m := range a.r.ManufacturerData() {
		return append([]byte{byte(m.Company), byte(m.Company >> 8)}, m.Data...)
	}
	return nil
}

func (a advertisement) ServiceData() []ble.ServiceData {
	var all []ble.ServiceData
	for _, s := range a.r.ServiceData() {
		all = append(all, ble.ServiceData{UUID: fromUUID(s.UUID), Data: s.Data})
	}
	return all
}

func (a advertisement) Services() []ble.UUID { return fromUUIDs(a.r.Services()) }

// OverflowService returns nil: overflow areas exist on other platforms only.
func (a advertisement) OverflowService() []ble.UUID { return nil }

// TxPowerLevel returns the power in dBm; 127 if the device did not state it.
func (a advertisement) TxPowerLevel() int {
	for _, d := range []hci.AdvData{a.r.Data, a.r.Response} {
		if p, ok := d.TxPower(); ok {
			return int(p)
		}
	}
	return int(a.r.TxPower)
}

func (a advertisement) Connectable() bool { return a.r.Connectable }

func (a advertisement) SolicitedService() []ble.UUID {
	return fromUUIDs(append(a.r.Data.SolicitedServices(), a.r.Response.SolicitedServices()...))
}

func (a advertisement) RSSI() int { return int(a.r.RSSI) }

func (a advertisement) Addr() ble.Addr { return ble.NewAddr(a.r.Addr.MAC.String()) }

// fromUUID returns a UUID in the form of go-ble: two or sixteen octets in the
// order of the air interface.
func fromUUID(u uuid.UUID) ble.UUID { return u.AppendWire(nil) }

func fromUUIDs(us []uuid.UUID) []ble.UUID {
	var all []ble.UUID
	for _, u := range us {
		all = append(all, fromUUID(u))
	}
	return all
}
