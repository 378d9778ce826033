package goble_test

import (
	"context"
	"fmt"
	"log"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/sim"
)

// A program written for go-ble looks for a device by its name and reads how full
// its battery is. All but the device that it sets is as it was: that comes from
// goble.OpenManager(ctx, nil) on adapters, and here from simulated air.
func Example() {
	ctx := context.Background()
	d, err := simulated(ctx)
	if err != nil {
		log.Print(err)
		return
	}
	ble.SetDefaultDevice(d)
	defer func() { _ = ble.Stop() }()

	named := func(a ble.Advertisement) bool { return a.LocalName() == "Thermometer" }
	c, err := ble.Connect(ctx, named)
	if err != nil {
		log.Print(err)
		return
	}
	p, err := c.DiscoverProfile(true)
	if err != nil {
		log.Print(err)
		return
	}
	level := p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(0x2A19)))
	if level == nil {
		log.Print("no battery level")
		return
	}
	v, err := c.ReadCharacteristic(level)
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Printf("%s: battery %d %%\n", c.Addr(), v[0])
	if err := c.CancelConnection(); err != nil {
		log.Print(err)
	}
	<-c.Disconnected()
	// Output: c0:ff:ee:00:00:01: battery 87 %
}

// simulated is a device on simulated air.
func simulated(ctx context.Context) (*goble.Device, error) {
	return goble.OpenManager(ctx, &connmgr.Config{
		Adapters: []string{"sim:sensors"},
		Kinds:    []connmgr.Kind{{Prefix: "sim:", Open: sim.OpenTransport}},
	})
}
