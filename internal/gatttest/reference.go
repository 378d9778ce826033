// Package gatttest has attribute tables for tests: as definitions for a server,
// and as the profile that a client discovers there.
package gatttest

import (
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/uuid"
)

// UUIDs of the vendor service of the reference table and of its characteristics,
// in order.
var (
	VendorService = uuid.MustParse("6e400001-b5a3-f393-e0a9-e50e24dcca9e")
	VendorCommand = uuid.MustParse("6e400002-b5a3-f393-e0a9-e50e24dcca9e")
	VendorData    = uuid.MustParse("6e400003-b5a3-f393-e0a9-e50e24dcca9e")
	VendorEvent   = uuid.MustParse("6e400004-b5a3-f393-e0a9-e50e24dcca9e")
	VendorConfig  = uuid.MustParse("6e400005-b5a3-f393-e0a9-e50e24dcca9e")
	VendorLog     = uuid.MustParse("6e400006-b5a3-f393-e0a9-e50e24dcca9e")
)

// Value handles of the reference table.
const (
	DeviceName     att.Handle = 0x0003
	Appearance     att.Handle = 0x0005
	ServiceChanged att.Handle = 0x0008
	ClientFeatures att.Handle = 0x000B
	DatabaseHash   att.Handle = 0x000D
	Manufacturer   att.Handle = 0x0012
	BatteryLevel   att.Handle = 0x001D
	CommandValue   att.Handle = 0x0021
	DataValue      att.Handle = 0x0023
	EventValue     att.Handle = 0x0026
	ConfigValue    att.Handle = 0x0029
	LogValue       att.Handle = 0x002B
)

// Reference returns a server of 5 services, 17 characteristics, 6 descriptors
// and 45 handles. Its first two services are those that every server has. The
// requests of discovery are counted on this table.
//
//	0x0001-0x0005  Generic Access      2 characteristics
//	0x0006-0x000f  Generic Attribute   4 characteristics, 1 CCCD
//	0x0010-0x001a  Device Information  5 characteristics
//	0x001b-0x001e  Battery             1 characteristic, 1 CCCD
//	0x001f-0x002d  vendor, 128-bit     5 characteristics, 3 CCCDs, 1 description
func Reference() *gatt.ServerConfig {
	text := func(u uint16, s string) gatt.CharDef {
		return gatt.CharDef{UUID: gatt.UUID16(u), Properties: gatt.PropRead, Value: []byte(s)}
	}
	return &gatt.ServerConfig{Name: "moor", Appearance: 0x0540, Services: []gatt.ServiceDef{
		{UUID: gatt.UUID16(0x180A), Characteristics: []gatt.CharDef{
			text(0x2A29, "moor-ble"),     // Manufacturer Name
			text(0x2A24, "reference"),    // Model Number
			text(0x2A25, "000000000001"), // Serial Number
			text(0x2A26, "1.0"),          // Firmware Revision
			text(0x2A27, "A"),            // Hardware Revision
		}},
		{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead | gatt.PropNotify,
			Value: []byte{100}, MinLen: 1, MaxLen: 1,
		}}},
		{UUID: VendorService, Characteristics: []gatt.CharDef{
			{UUID: VendorCommand, Properties: gatt.PropWrite | gatt.PropWriteWithoutResponse},
			{UUID: VendorData, Properties: gatt.PropNotify},
			{UUID: VendorEvent, Properties: gatt.PropIndicate},
			{UUID: VendorConfig, Properties: gatt.PropRead | gatt.PropWrite, Value: []byte{1, 2, 3, 4}},
			{
				UUID: VendorLog, Properties: gatt.PropRead | gatt.PropNotify, Value: longValue(),
				Descriptors: []gatt.DescDef{gatt.UserDescription("log")},
			},
		}},
	}}
}

// longValue returns a value of the greatest length.
func longValue() []byte {
	v := make([]byte, gatt.MaxValue)
	for i := range v {
		v[i] = byte(i)
	}
	return v
}

// ReferenceProfile returns the profile that a client discovers on a server of
// Reference.
func ReferenceProfile() *gatt.Profile {
	const (
		r  = gatt.PropRead
		n  = gatt.PropNotify
		in = gatt.PropIndicate
		w  = gatt.PropWrite
		wo = gatt.PropWriteWithoutResponse
	)
	char := func(u gatt.UUID, decl att.Handle, p gatt.Properties, descs ...uint16) gatt.Characteristic {
		c := gatt.Characteristic{UUID: u, Handle: decl, Value: decl + 1, Properties: p, End: decl + 1}
		for _, d := range descs {
			c.End++
			c.Descriptors = append(c.Descriptors, gatt.Descriptor{UUID: gatt.UUID16(d), Handle: c.End})
		}
		return c
	}
	std := func(u uint16, decl att.Handle, p gatt.Properties, descs ...uint16) gatt.Characteristic {
		return char(gatt.UUID16(u), decl, p, descs...)
	}
	const cccd, description = 0x2902, 0x2901
	return &gatt.Profile{Services: []gatt.Service{
		{UUID: gatt.UUID16(0x1800), Handle: 0x0001, End: 0x0005, Primary: true, Characteristics: []gatt.Characteristic{
			std(0x2A00, 0x0002, r), std(0x2A01, 0x0004, r),
		}},
		{UUID: gatt.UUID16(0x1801), Handle: 0x0006, End: 0x000F, Primary: true, Characteristics: []gatt.Characteristic{
			std(0x2A05, 0x0007, in, cccd), std(0x2B29, 0x000A, r|w), std(0x2B2A, 0x000C, r), std(0x2B3A, 0x000E, r),
		}},
		{UUID: gatt.UUID16(0x180A), Handle: 0x0010, End: 0x001A, Primary: true, Characteristics: []gatt.Characteristic{
			std(0x2A29, 0x0011, r), std(0x2A24, 0x0013, r), std(0x2A25, 0x0015, r), std(0x2A26, 0x0017, r), std(0x2A27, 0x0019, r),
		}},
		{UUID: gatt.UUID16(0x180F), Handle: 0x001B, End: 0x001E, Primary: true, Characteristics: []gatt.Characteristic{
			std(0x2A19, 0x001C, r|n, cccd),
		}},
		{UUID: VendorService, Handle: 0x001F, End: 0x002D, Primary: true, Characteristics: []gatt.Characteristic{
			char(VendorCommand, 0x0020, w|wo), char(VendorData, 0x0022, n, cccd), char(VendorEvent, 0x0025, in, cccd),
			char(VendorConfig, 0x0028, r|w), char(VendorLog, 0x002A, r|n, cccd, description),
		}},
	}}
}
