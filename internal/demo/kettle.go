package demo

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

const (
	kettleName  = "Kettle"
	kettleLooks = 0x0540 // an environmental sensor, of all that there is
)

// What the kettle has, besides the services that every device has.
const (
	deviceInformation    = 0x180A
	manufacturerName     = 0x2A29
	batteryService       = 0x180F
	batteryLevel         = 0x2A19
	environmentalSensing = 0x181A
	temperature          = 0x2A6E
)

// flags are those of every device here: found by anybody, LE only.
const flags = hci.FlagGeneralDiscoverable | hci.FlagNoBREDR

// heatTime is how often the kettle, when it is watched, tells its temperature.
const heatTime = 250 * time.Millisecond

// kettle is a peripheral: the same stack, the other way round.
type kettle struct {
	host    *host.Host
	server  *gatt.Server
	degrees atomic.Int64 // in units of 0.01 °C
	cancel  context.CancelFunc
	done    chan struct{}
}

// startKettle puts a kettle on the air, which advertises and, while somebody
// watches, heats. more adds services to its own.
func startKettle(ctx context.Context, air *sim.Air, more ...func(*kettle) gatt.ServiceDef) (*kettle, error) {
	k := &kettle{done: make(chan struct{})}
	k.degrees.Store(2150)
	services := k.services()
	for _, add := range more {
		services = append(services, add(k))
	}
	server, err := gatt.NewServer(&gatt.ServerConfig{Name: kettleName, Appearance: kettleLooks, Services: services})
	if err != nil {
		return nil, err
	}
	k.server = server
	h, err := host.Open(ctx, air.NewController(&sim.ControllerConfig{
		Name: "kettle", NoAddress: true,
	}), &host.Config{Server: server, HCI: hci.Config{
		Address: hci.Addr{MAC: hci.MAC{0x01, 0x00, 0x00, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom},
	}})
	if err != nil {
		server.Close()
		return nil, err
	}
	k.host = h
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k.cancel = cancel
	go k.heat(run)
	if err := k.advertise(ctx); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

func (k *kettle) services() []gatt.ServiceDef {
	return []gatt.ServiceDef{
		{UUID: uuid.From16(deviceInformation), Characteristics: []gatt.CharDef{
			{UUID: uuid.From16(manufacturerName), Properties: gatt.PropRead, Value: []byte("moor")},
		}},
		{UUID: uuid.From16(batteryService), Characteristics: []gatt.CharDef{
			{UUID: uuid.From16(batteryLevel), Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{87}},
		}},
		{UUID: uuid.From16(environmentalSensing), Characteristics: []gatt.CharDef{
			{UUID: uuid.From16(temperature), Properties: gatt.PropRead | gatt.PropNotify,
				Read: func(context.Context, *gatt.ReadRequest) ([]byte, error) { return k.value(), nil }},
		}},
	}
}

func (k *kettle) value() []byte { return wire.AppendU16(nil, uint16(k.degrees.Load())) }

func (k *kettle) advertise(ctx context.Context) error {
	fields := hci.AdvFields{
		Flags: flags, Name: kettleName, Services: []uuid.UUID{uuid.From16(environmentalSensing)},
	}
	data, err := fields.Append(nil, 31)
	if err != nil {
		return err
	}
	return k.host.Advertise(ctx, &hci.AdvertiseOptions{Data: data, Interval: 250 * time.Millisecond})
}

// heat raises the temperature as long as somebody watches it.
func (k *kettle) heat(ctx context.Context) {
	defer close(k.done)
	tick := time.NewTicker(heatTime)
	defer tick.Stop()
	h, _ := k.server.Handle(uuid.From16(environmentalSensing), uuid.From16(temperature))
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if n, err := k.server.Notify(ctx, h, k.value()); err == nil && n > 0 {
				k.degrees.Add(275)
			}
		}
	}
}

func (k *kettle) close() error {
	k.cancel()
	<-k.done
	err := k.host.Close()
	k.server.Close()
	return err
}

// startCrowd puts other devices on the air, so that a scan has something to
// choose from.
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
