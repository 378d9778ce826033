package sim

import (
	"context"
	"strings"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

// Services and characteristics of the devices in this file (Assigned Numbers,
// 3.4 and 3.8).
const (
	uuidDeviceInformation = 0x180A
	uuidManufacturer      = 0x2A29
	uuidModel             = 0x2A24
	uuidBattery           = 0x180F
	uuidBatteryLevel      = 0x2A19
	uuidEnvironment       = 0x181A
	uuidTemperature       = 0x2A6E
	uuidHumidity          = 0x2A6F
	uuidHeartRate         = 0x180D
	uuidHeartMeasurement  = 0x2A37
	uuidHeartLocation     = 0x2A38
	uuidHeartControl      = 0x2A39
)

// UUIDs of the Lamp.
var (
	LampService = uuid.MustParse("6d6f6f72-0001-4c61-6d70-000000000000")
	LampSwitch  = uuid.MustParse("6d6f6f72-0002-4c61-6d70-000000000000")
	LampText    = uuid.MustParse("6d6f6f72-0003-4c61-6d70-000000000000")
)

func information(model string) gatt.ServiceDef {
	return gatt.ServiceDef{UUID: uuid.From16(uuidDeviceInformation), Characteristics: []gatt.CharDef{
		{UUID: uuid.From16(uuidManufacturer), Properties: gatt.PropRead, Value: []byte("moor")},
		{UUID: uuid.From16(uuidModel), Properties: gatt.PropRead, Value: []byte(model)},
	}}
}

func battery(percent byte) gatt.ServiceDef {
	return gatt.ServiceDef{UUID: uuid.From16(uuidBattery), Characteristics: []gatt.CharDef{
		{UUID: uuid.From16(uuidBatteryLevel), Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{percent}},
	}}
}

func random(last byte) hci.Addr {
	return hci.Addr{MAC: hci.MAC{last, 0x00, 0x00, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom}
}

// Thermometer is a sensor that notifies temperature and humidity once a second:
// C0:FF:EE:00:00:01/random. It does not pair.
func Thermometer() *PeripheralConfig {
	air := gatt.ServiceDef{UUID: uuid.From16(uuidEnvironment), Characteristics: []gatt.CharDef{
		{UUID: uuid.From16(uuidTemperature), Properties: gatt.PropRead | gatt.PropNotify, Value: wire.AppendU16(nil, 2150)},
		{UUID: uuid.From16(uuidHumidity), Properties: gatt.PropRead | gatt.PropNotify, Value: wire.AppendU16(nil, 4800)},
	}}
	return &PeripheralConfig{
		Name: "Thermometer", Appearance: 0x0300, Address: random(1),
		Services: []gatt.ServiceDef{information("T-1"), battery(87), air},
		Run: func(ctx context.Context, p *Peripheral) {
			temperature := p.charHandle(uuidEnvironment, uuidTemperature)
			humidity := p.charHandle(uuidEnvironment, uuidHumidity)
			p.runEvery(ctx, time.Second, func(n int) {
				wave := uint16(n % 20)
				p.publishValue(ctx, temperature, wire.AppendU16(nil, 2150+5*wave))
				p.publishValue(ctx, humidity, wire.AppendU16(nil, 4800-10*wave))
			})
		},
	}
}

// HeartRateBelt notifies a heart rate once a second: C0:FF:EE:00:00:02/random. It
// displays a passkey for pairing, which Host.SMP.Delegate can read, and requires
// authentication for its control point.
func HeartRateBelt() *PeripheralConfig {
	heart := gatt.ServiceDef{UUID: uuid.From16(uuidHeartRate), Characteristics: []gatt.CharDef{
		{UUID: uuid.From16(uuidHeartMeasurement), Properties: gatt.PropNotify},
		{UUID: uuid.From16(uuidHeartLocation), Properties: gatt.PropRead, Value: []byte{1}}, // chest
		{
			UUID: uuid.From16(uuidHeartControl), Properties: gatt.PropWrite, Value: []byte{0}, MinLen: 1, MaxLen: 1,
			Permissions: gatt.Permissions{Write: gatt.Require{Authentication: true}},
		},
	}}
	return &PeripheralConfig{
		Name: "Heart rate belt", Appearance: 0x0341, Address: random(2),
		Host:     host.Config{SMP: &smp.Config{Delegate: display{}, AllowRepair: true}},
		Services: []gatt.ServiceDef{information("H-1"), battery(62), heart},
		Run: func(ctx context.Context, p *Peripheral) {
			measurement := p.charHandle(uuidHeartRate, uuidHeartMeasurement)
			p.runEvery(ctx, time.Second, func(n int) {
				p.publishValue(ctx, measurement, []byte{0, 60 + byte(n%15)}) // flags: 8-bit value
			})
		},
	}
}

// Lamp is a device with a vendor service: a switch that is written with or
// without response, and a text longer than one packet: C0:FF:EE:00:00:03/random.
// It pairs by Just Works.
func Lamp() *PeripheralConfig {
	text := strings.Repeat("This text is longer than one packet. ", 8)
	return &PeripheralConfig{
		Name: "Lamp", Appearance: 0x0585, Address: random(3),
		Host: host.Config{SMP: &smp.Config{AllowRepair: true}},
		Services: []gatt.ServiceDef{information("L-1"), {UUID: LampService, Characteristics: []gatt.CharDef{
			{
				UUID:       LampSwitch,
				Properties: gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse | gatt.PropNotify,
				Value:      []byte{0}, MinLen: 1, MaxLen: 1,
				Descriptors: []gatt.DescDef{gatt.UserDescription("Switch")},
			},
			{UUID: LampText, Properties: gatt.PropRead | gatt.PropWrite, Value: []byte(text)},
		}}},
	}
}

// display is the delegate of a device with a display and no input.
type display struct {
	smp.NoInput
	show func(smp.Passkey) // may be nil
}

// IO returns DisplayOnly.
func (display) IO() smp.IOCapability { return smp.DisplayOnly }

// Display shows a passkey.
func (d display) Display(_ context.Context, _ hci.Addr, p smp.Passkey) error {
	if d.show != nil {
		d.show(p)
	}
	return nil
}

// charHandle returns the value handle of a characteristic, or 0.
func (p *Peripheral) charHandle(service, characteristic uint16) att.Handle {
	h, _ := p.server.Handle(uuid.From16(service), uuid.From16(characteristic))
	return h
}

// runEvery calls f once in every interval until ctx is done.
func (p *Peripheral) runEvery(ctx context.Context, every time.Duration, f func(n int)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			f(n)
		case <-ctx.Done():
			return
		}
	}
}

// publishValue sets a value and notifies its subscribers. It ignores the error of
// a link that has ended.
func (p *Peripheral) publishValue(ctx context.Context, h att.Handle, value []byte) {
	_ = p.server.SetValue(h, value)
	_, _ = p.server.Notify(ctx, h, value)
}
