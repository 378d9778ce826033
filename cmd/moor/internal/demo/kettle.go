package demo

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

const (
	kettleName  = "Kettle"
	kettleLooks = 0x0540 // a sensor: no appearance of a kettle is assigned
)

// The kettle's attributes, besides the services that every device has.
const (
	deviceInformation    = 0x180A
	manufacturerName     = 0x2A29
	batteryService       = 0x180F
	batteryLevel         = 0x2A19
	environmentalSensing = 0x181A
	temperature          = 0x2A6E
)

// How the kettle heats while a client is subscribed, in units of 0.01 °C.
const (
	coldWater = 2150
	heatStep  = 275
	heatTime  = 250 * time.Millisecond
)

// kettle returns a peripheral with a temperature, which rises while a client is
// subscribed to it.
func kettle() *sim.PeripheralConfig {
	var degrees atomic.Int64
	degrees.Store(coldWater)
	value := func() []byte { return wire.AppendU16(nil, uint16(degrees.Load())) }
	return &sim.PeripheralConfig{
		Name: kettleName, Appearance: kettleLooks,
		Address: hci.Addr{MAC: hci.MAC{0x01, 0x00, 0x00, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom},
		Services: []gatt.ServiceDef{
			{UUID: uuid.From16(deviceInformation), Characteristics: []gatt.CharDef{
				{UUID: uuid.From16(manufacturerName), Properties: gatt.PropRead, Value: []byte("moor")},
			}},
			{UUID: uuid.From16(batteryService), Characteristics: []gatt.CharDef{
				{UUID: uuid.From16(batteryLevel), Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{87}},
			}},
			{UUID: uuid.From16(environmentalSensing), Characteristics: []gatt.CharDef{{
				UUID: uuid.From16(temperature), Properties: gatt.PropRead | gatt.PropNotify,
				Read: func(context.Context, *gatt.ReadRequest) ([]byte, error) { return value(), nil },
			}}},
		},
		Run: func(ctx context.Context, p *sim.Peripheral) {
			tick := time.NewTicker(heatTime)
			defer tick.Stop()
			h, _ := p.Server().Handle(uuid.From16(environmentalSensing), uuid.From16(temperature))
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				if n, err := p.Server().Notify(ctx, h, value()); err == nil && n > 0 {
					degrees.Add(heatStep)
				}
			}
		},
	}
}

// startCrowd adds devices that advertise and are no kettle.
func startCrowd(air *sim.Air) error {
	for _, other := range []hci.AdvFields{
		{Flags: flags, Name: "Bathroom scale", Services: []uuid.UUID{uuid.From16(0x181D)}},
		{Flags: flags, Name: "Thermometer", Services: []uuid.UUID{uuid.From16(0x1809)}},
	} {
		data, err := other.Append(nil, 31)
		if err != nil {
			return err
		}
		air.NewRawPeer(&sim.RawPeerConfig{AdvData: data, Interval: 60 * time.Millisecond})
	}
	return nil
}

// flags are the advertised flags of every device here: general discoverable, LE only.
const flags = hci.FlagGeneralDiscoverable | hci.FlagNoBREDR
