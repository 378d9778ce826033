// Command peripheral is a thermometer: centrals read and subscribe to its temperature,
// and set its interval once they have paired.
//
//	peripheral [-a ADAPTER]
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

var (
	environment = gatt.UUID16(0x181A) // Environmental Sensing
	temperature = gatt.UUID16(0x2A6E) // in steps of 0.01 °C
	interval    = gatt.UUID16(0x2A21) // Measurement Interval, in seconds
)

func main() {
	adapter := flag.String("a", "hci0", "use `ADAPTER`, such as hci1 or sim:empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *adapter); err != nil {
		fmt.Fprintln(os.Stderr, "peripheral:", err)
		os.Exit(1)
	}
}

// newThermometer returns the attribute table. Centrals set the interval by setInterval.
func newThermometer(setInterval func(context.Context, *gatt.WriteRequest) error) (*gatt.Server, error) {
	return gatt.NewServer(&gatt.ServerConfig{Name: "Thermometer", Services: []gatt.ServiceDef{{
		UUID: environment,
		Characteristics: []gatt.CharDef{
			{UUID: temperature, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{0, 0}},
			{
				UUID: interval, Properties: gatt.PropWrite, Value: []byte{1, 0}, MinLen: 2, MaxLen: 2,
				Permissions: gatt.Permissions{Write: gatt.Require{Encryption: true}}, // makes centrals pair
				Write:       setInterval,
			},
		},
	}}})
}

// serve advertises and answers until ctx or the controller ends.
func serve(ctx context.Context, adapter string) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	server, err := newThermometer(func(_ context.Context, r *gatt.WriteRequest) error {
		every.Reset(time.Duration(max(1, binary.LittleEndian.Uint16(r.Value))) * time.Second)
		return nil
	})
	if err != nil {
		return err
	}
	defer server.Close()
	kind, err := connmgr.KindOf([]connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}, adapter)
	if err != nil {
		return err
	}
	tr, err := kind.Open(ctx, adapter)
	if err != nil {
		return err
	}
	h, err := host.Open(ctx, tr, &host.Config{Server: server, SMP: &smp.Config{}})
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.AdvertiseNameAndServices(ctx, "Thermometer", environment); err != nil {
		return err
	}
	fmt.Printf("advertising on %s; Ctrl-C ends\n", adapter)
	value, _ := server.Handle(environment, temperature)
	for n := 0; ; n++ {
		measured := binary.LittleEndian.AppendUint16(nil, uint16(2000+n%500)) // 20 to 25 °C, up and up
		if _, err := server.SetAndNotify(ctx, value, measured); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-every.C:
		case <-h.Done():
			return h.Err()
		case <-ctx.Done():
			return nil
		}
	}
}
