package demo

import (
	"context"
	"fmt"
	"sync"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// Scenarios are what Open knows.
const Scenarios = "kettle (also the default), empty"

// Open puts a controller on simulated air that lives as long as the returned
// transport: an empty air, or one with a kettle, whose UART service echoes what
// is written, and other devices that only advertise.
func Open(ctx context.Context, scenario string) (hci.Transport, error) {
	w := &world{air: sim.New(nil)}
	w.Transport = w.air.NewController(&sim.ControllerConfig{Name: "central"})
	switch scenario {
	case "empty":
		return w, nil
	case "", "kettle":
	default:
		_ = w.Close()
		return nil, fmt.Errorf("sim: there is no scenario %q: the scenarios are %s", scenario, Scenarios)
	}
	err := startCrowd(w.air)
	if err == nil {
		w.kettle, err = startKettle(ctx, w.air, echo)
	}
	if err != nil {
		_ = w.Close()
		return nil, err
	}
	return w, nil
}

// world is a controller together with the air that it is on.
type world struct {
	hci.Transport
	air    *sim.Air
	kettle *kettle
	once   sync.Once
	err    error
}

// Close ends the whole world. The air goes first, so that nobody waits for
// anybody to disconnect.
func (w *world) Close() error {
	w.once.Do(func() {
		w.err = w.air.Close()
		if w.kettle != nil {
			_ = w.kettle.close() // its controller is gone already
		}
	})
	return w.err
}

// The UART service of Nordic Semiconductor, which many devices have.
const (
	uartService = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
	uartRX      = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
	uartTX      = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
)

// echo gives the kettle a UART service that sends back what it receives.
func echo(k *kettle) gatt.ServiceDef {
	tx := uuid.MustParse(uartTX)
	return gatt.ServiceDef{UUID: uuid.MustParse(uartService), Characteristics: []gatt.CharDef{
		{
			UUID: uuid.MustParse(uartRX), Properties: gatt.PropWrite | gatt.PropWriteWithoutResponse,
			Write: func(ctx context.Context, r *gatt.WriteRequest) error {
				h, _ := k.server.Handle(uuid.MustParse(uartService), tx)
				if notify, _ := r.Session.Subscribed(h); notify {
					return r.Session.Notify(ctx, h, r.Value)
				}
				return nil
			},
		},
		{UUID: tx, Properties: gatt.PropNotify},
	}}
}
