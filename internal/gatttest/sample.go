package gatttest

import "github.com/moor-ble/moor/gatt"

// SampleHash is the Database Hash of Sample, from the specification.
const SampleHash = "f1ca2d48ecf58bac8a8830bbb9fba990"

// Sample returns the table of the specification's example of a Database Hash
// (Vol 3, Part G, Appendix B). Unlike Reference it has an included service, a
// secondary service, and extended properties.
//
//	0x0001-0x0005  Generic Access
//	0x0006-0x000d  Generic Attribute
//	0x000e-0x0013  Glucose, includes the next
//	0x0014-0x0016  Battery, secondary
func Sample() *gatt.ServerConfig {
	return &gatt.ServerConfig{Services: []gatt.ServiceDef{
		{UUID: gatt.UUID16(0x1800), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A00), Properties: gatt.PropRead | gatt.PropWrite, Value: []byte("sample")},
			{UUID: gatt.UUID16(0x2A01), Properties: gatt.PropRead, Value: []byte{0, 0}, MinLen: 2, MaxLen: 2},
		}},
		{UUID: gatt.UUID16(0x1801), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A05), Properties: gatt.PropIndicate},
			{UUID: gatt.UUID16(0x2B29), Properties: gatt.PropRead | gatt.PropWrite},
			{UUID: gatt.UUID16(0x2B2A), Properties: gatt.PropRead},
		}},
		{
			UUID:     gatt.UUID16(0x1808),
			Includes: []gatt.IncludeDef{{UUID: gatt.UUID16(0x180F)}},
			Characteristics: []gatt.CharDef{{
				UUID: gatt.UUID16(0x2A18), Properties: gatt.PropRead | gatt.PropIndicate | gatt.PropExtended,
			}},
		},
		{UUID: gatt.UUID16(0x180F), Secondary: true, Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead, Value: []byte{100}},
		}},
	}}
}
