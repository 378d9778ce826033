package smp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// A host bonds with a sensor without display or keyboard, and encrypts the next link
// with the bond.
func Example() {
	air := sim.New(nil)
	defer air.Close()
	ctx := context.Background()
	sensor, err := air.NewPeripheral(ctx, &sim.PeripheralConfig{Name: "sensor", Host: host.Config{SMP: &smp.Config{}}})
	if err != nil {
		log.Fatal(err)
	}
	defer sensor.Close()

	var screen strings.Builder
	h, err := host.Open(ctx, air.NewController(nil), &host.Config{SMP: &smp.Config{
		Store:    smp.Memory(), // or smp.Files(dir)
		Delegate: smp.NewTerminal(strings.NewReader(""), &screen),
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	c, err := h.Connect(ctx, sensor.Address(), nil)
	if err != nil {
		log.Fatal(err)
	}
	r, err := c.SMP().Pair(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Method, "bonded:", r.Bond != nil)
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}

	again, err := h.Connect(ctx, sensor.Address(), nil)
	if errors.Is(err, smp.ErrBondLost) {
		log.Fatal("the sensor was reset, or is not the same")
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println("level:", again.SMP().Security().Level())
	// Output:
	// Just Works bonded: true
	// level: encrypted
}
