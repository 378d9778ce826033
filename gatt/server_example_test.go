package gatt_test

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// A thermometer whose value is read from the sensor when a client asks for it,
// and whose interval clients may change.
func ExampleNewServer() {
	srv, err := gatt.NewServer(&gatt.ServerConfig{
		Name: "thermometer",
		Services: []gatt.ServiceDef{{
			UUID: gatt.UUID16(0x1809), // Health Thermometer
			Characteristics: []gatt.CharDef{{
				UUID:       gatt.UUID16(0x2A1C), // Temperature Measurement
				Properties: gatt.PropRead | gatt.PropNotify,
				Read: func(context.Context, *gatt.ReadRequest) ([]byte, error) {
					return []byte{0, 0x6E, 0x01, 0, 0xFF}, nil // 36.6 degrees Celsius
				},
			}, {
				UUID:       gatt.UUID16(0x2A21), // Measurement Interval
				Properties: gatt.PropRead | gatt.PropWrite,
				Value:      []byte{60, 0},
				MinLen:     2, MaxLen: 2,
				Permissions: gatt.Permissions{Write: gatt.Require{Encryption: true}},
			}},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	for _, s := range srv.Profile().Services {
		fmt.Println("service", s.UUID, s.Range())
		for _, c := range s.Characteristics {
			fmt.Println("  characteristic", c.UUID, c.Value, c.Properties)
		}
	}
	h, _ := srv.Handle(gatt.UUID16(0x1809), gatt.UUID16(0x2A1C))
	n, err := srv.Notify(context.Background(), h, []byte{0, 0x6E, 0x01, 0, 0xFF})
	fmt.Println(h == att.Handle(0x0012), n, err)
	// Output:
	// service 1800 0x0001-0x0005
	//   characteristic 2a00 0x0003 read
	//   characteristic 2a01 0x0005 read
	// service 1801 0x0006-0x000f
	//   characteristic 2a05 0x0008 indicate
	//   characteristic 2b29 0x000b read,write
	//   characteristic 2b2a 0x000d read
	//   characteristic 2b3a 0x000f read
	// service 1809 0x0010-0x0015
	//   characteristic 2a1c 0x0012 read,notify
	//   characteristic 2a21 0x0015 read,write
	// true 0 <nil>
}
