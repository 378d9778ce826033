package main

import (
	"fmt"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/uuid"
)

// The characteristics of the device, as bleak_central.py and bumble_central.py know them, too.
var (
	battery, level = uuid.From16(0x180F), uuid.From16(0x2A19)
	service        = custom(1)
	value          = custom(2) // to read and to write
	stream         = custom(3) // notifies
	control        = custom(4) // takes the number of notifications to send, little-endian
)

func custom(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("5ea0%04x-8f5c-4c1e-9a57-3d3f0e1b6c21", n))
}

// describeDevice returns the table of the device: four services with eleven
// characteristics and three descriptors of their own, as a sensor may have it. start is
// called with the number written to control.
func describeDevice(start func(n int)) []gatt.ServiceDef {
	named := func(n int, properties gatt.Properties, name string) gatt.CharDef {
		return gatt.CharDef{UUID: custom(n), Properties: properties, Value: []byte{1}, Descriptors: []gatt.DescDef{gatt.UserDescription(name)}}
	}
	return []gatt.ServiceDef{
		{UUID: battery, Characteristics: []gatt.CharDef{{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{50}}}},
		{UUID: uuid.From16(0x180A), Characteristics: []gatt.CharDef{
			{UUID: uuid.From16(0x2A29), Properties: gatt.PropRead, Value: []byte("moor")},
			{UUID: uuid.From16(0x2A24), Properties: gatt.PropRead, Value: []byte("bench")},
			{UUID: uuid.From16(0x2A26), Properties: gatt.PropRead, Value: []byte("1.0")},
		}},
		{UUID: service, Characteristics: []gatt.CharDef{
			{UUID: value, Properties: gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse, Value: []byte{1, 2, 3}},
			{UUID: stream, Properties: gatt.PropNotify, Value: []byte{0}},
			{UUID: control, Properties: gatt.PropWrite, Value: []byte{0}, Write: takeNumber(start)},
		}},
		{UUID: custom(0x10), Characteristics: []gatt.CharDef{
			named(0x11, gatt.PropRead|gatt.PropIndicate, "pressure"),
			named(0x12, gatt.PropRead|gatt.PropWrite, "offset"),
			named(0x13, gatt.PropNotify, "alarm"),
		}},
	}
}
