package hci

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// ADType is the type of an AD structure (Assigned Numbers, 2.3; contents: Core
// Specification Supplement, Part A).
type ADType uint8

// The AD types that this package decodes, and those of Bluetooth Mesh.
const (
	ADFlags                 ADType = 0x01
	ADServices16Incomplete  ADType = 0x02
	ADServices16            ADType = 0x03
	ADServices32Incomplete  ADType = 0x04
	ADServices32            ADType = 0x05
	ADServices128Incomplete ADType = 0x06
	ADServices128           ADType = 0x07
	ADShortName             ADType = 0x08
	ADName                  ADType = 0x09
	ADTxPower               ADType = 0x0A
	ADSolicited16           ADType = 0x14
	ADSolicited128          ADType = 0x15
	ADServiceData16         ADType = 0x16
	ADAppearance            ADType = 0x19
	ADSolicited32           ADType = 0x1F
	ADServiceData32         ADType = 0x20
	ADServiceData128        ADType = 0x21
	ADMeshProvisioning      ADType = 0x29 // PB-ADV
	ADMeshMessage           ADType = 0x2A
	ADMeshBeacon            ADType = 0x2B
	ADManufacturer          ADType = 0xFF
)

// The bits of Flags (Core Specification Supplement, Part A, 1.3).
const (
	FlagLimitedDiscoverable uint8 = 1 << 0
	FlagGeneralDiscoverable uint8 = 1 << 1
	FlagNoBREDR             uint8 = 1 << 2
)

// AdvData is the raw data of an advertisement or scan response: a sequence of AD
// structures, each a length, a type and a content (Vol 3, Part C, 11). Data on air
// is often malformed, so its methods return the parts that they can decode and
// ignore the rest.
type AdvData []byte

// All iterates over the AD structures. It ends before a structure that exceeds the data,
// and skips lengths of zero: see HasGap. Contents alias d.
func (d AdvData) All() iter.Seq2[ADType, []byte] {
	return func(yield func(ADType, []byte) bool) {
		r := wire.NewReader(d)
		for r.Len() > 0 {
			n := int(r.U8())
			if n == 0 {
				continue
			}
			s := r.Sub(n)
			if typ := ADType(s.U8()); r.Err() != nil || !yield(typ, s.Rest()) {
				return
			}
		}
	}
}

// HasGap reports whether a structure follows a length of zero. The specification ends
// the structures there, with padding, and so does BlueZ; but some devices and relays put
// padding in front of further structures.
func (d AdvData) HasGap() bool {
	r := wire.NewReader(d)
	padding := false
	for r.Len() > 0 {
		n := int(r.U8())
		if n == 0 {
			padding = true
			continue
		}
		if r.Skip(n); r.Err() == nil && padding {
			return true
		}
	}
	return false
}

// firstContent returns the content of the first structure of a type; nil if there is
// none.
func (d AdvData) firstContent(want ADType) []byte {
	for typ, v := range d.All() {
		if typ == want {
			return v
		}
	}
	return nil
}

// Flags returns the flags; ok is false if there are none.
func (d AdvData) Flags() (flags uint8, ok bool) {
	r := wire.NewReader(d.firstContent(ADFlags))
	flags = r.U8()
	return flags, r.Err() == nil
}

// TxPower returns the transmit power of the advertisement in dBm; ok is false if d
// does not include it. A structure that is not one octet long does not count.
func (d AdvData) TxPower() (dBm int8, ok bool) {
	for typ, v := range d.All() {
		if r := wire.NewReader(v); typ == ADTxPower && r.Len() == 1 {
			return r.I8(), true
		}
	}
	return 0, false
}

// Appearance returns the appearance of the device (Assigned Numbers, 2.6); ok is
// false if d does not include it.
func (d AdvData) Appearance() (appearance uint16, ok bool) {
	r := wire.NewReader(d.firstContent(ADAppearance))
	appearance = r.U16()
	return appearance, r.Err() == nil
}

// LocalName returns the name of the device, "" if d has none, and whether it is the
// complete name. A complete name takes precedence over a shortened one. The name ends
// at its first NUL, and an empty name does not count. The name should be UTF-8, but is
// not checked.
func (d AdvData) LocalName() (name string, complete bool) {
	raw, complete := d.RawName()
	return string(raw), complete
}

// RawName is LocalName without a copy: name aliases d.
func (d AdvData) RawName() (name []byte, complete bool) {
	if name = d.firstName(ADName); len(name) > 0 {
		return name, true
	}
	return d.firstName(ADShortName), false
}

// firstName returns the first name of a type that is not empty.
func (d AdvData) firstName(want ADType) []byte {
	for typ, v := range d.All() {
		if name, _, _ := bytes.Cut(v, []byte{0}); typ == want && len(name) > 0 {
			return name
		}
	}
	return nil
}

// Services returns the UUIDs of all lists of services, of all UUID lengths, complete
// and incomplete. An incomplete UUID at the end of a list is ignored.
func (d AdvData) Services() []uuid.UUID {
	var us []uuid.UUID
	for typ, content := range d.All() {
		for u := range uuidsIn(content, serviceUUIDLen(typ)) {
			us = append(us, u)
		}
	}
	return us
}

// HasService reports whether u is one of Services. It does not allocate.
func (d AdvData) HasService(u uuid.UUID) bool {
	for typ, content := range d.All() {
		for v := range uuidsIn(content, serviceUUIDLen(typ)) {
			if v == u {
				return true
			}
		}
	}
	return false
}

// SolicitedServices returns the UUIDs of the services that the device looks for in
// other devices.
func (d AdvData) SolicitedServices() []uuid.UUID {
	var us []uuid.UUID
	for typ, content := range d.All() {
		for u := range uuidsIn(content, solicitedUUIDLen(typ)) {
			us = append(us, u)
		}
	}
	return us
}

// serviceUUIDLen returns the length in octets of the UUIDs in a list of services; 0
// for other types.
func serviceUUIDLen(t ADType) int {
	switch t {
	case ADServices16, ADServices16Incomplete:
		return 2
	case ADServices32, ADServices32Incomplete:
		return 4
	case ADServices128, ADServices128Incomplete:
		return 16
	default:
		return 0
	}
}

func solicitedUUIDLen(t ADType) int {
	switch t {
	case ADSolicited16:
		return 2
	case ADSolicited32:
		return 4
	case ADSolicited128:
		return 16
	default:
		return 0
	}
}

// serviceDataUUIDLen returns the length of the UUID before service data; 0 for
// other types.
func serviceDataUUIDLen(t ADType) int {
	switch t {
	case ADServiceData16:
		return 2
	case ADServiceData32:
		return 4
	case ADServiceData128:
		return 16
	default:
		return 0
	}
}

// uuidsIn iterates over the UUIDs of n octets in content. If n is 0 there are none.
func uuidsIn(content []byte, n int) iter.Seq[uuid.UUID] {
	return func(yield func(uuid.UUID) bool) {
		r := wire.NewReader(content)
		for n > 0 && r.Len() >= n {
			if u, ok := uuid.FromWire(r.Bytes(n)); !ok || !yield(u) {
				return
			}
		}
	}
}

// ServiceData is advertising data of a service.
type ServiceData struct {
	UUID uuid.UUID
	Data []byte
}

// ServiceData returns the service data structures. Data aliases d.
func (d AdvData) ServiceData() []ServiceData {
	var all []ServiceData
	for typ, content := range d.All() {
		r := wire.NewReader(content)
		if u, ok := uuid.FromWire(r.Bytes(serviceDataUUIDLen(typ))); ok {
			all = append(all, ServiceData{UUID: u, Data: r.Rest()})
		}
	}
	return all
}

// ManufacturerData is advertising data in a format of a company.
type ManufacturerData struct {
	Company uint16 // company identifier, Assigned Numbers, 7.1
	Data    []byte
}

// ManufacturerData returns the manufacturer data structures. Data aliases d.
func (d AdvData) ManufacturerData() []ManufacturerData {
	var all []ManufacturerData
	for typ, content := range d.All() {
		if typ != ADManufacturer {
			continue
		}
		r := wire.NewReader(content)
		company := r.U16()
		if r.Err() == nil {
			all = append(all, ManufacturerData{Company: company, Data: r.Rest()})
		}
	}
	return all
}

// String lists the structures: type and content in hexadecimal.
func (d AdvData) String() string {
	var b []byte
	for typ, content := range d.All() {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = fmt.Appendf(b, "%02x:%x", uint8(typ), content)
	}
	return string(b)
}
