package sim_test

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// A stack on the controller of a scenario finds a thermometer and reads its
// battery level.
func ExampleOpen() {
	if err := readBattery(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: battery 87%
}

func readBattery(ctx context.Context) error {
	tr, err := sim.Open("sensors")
	if err != nil {
		return err
	}
	h, err := host.Open(ctx, tr, nil)
	if err != nil {
		return err
	}
	defer h.Close()
	addr, err := hci.ParseAddr("C0:FF:EE:00:00:01/random")
	if err != nil {
		return err
	}
	c, err := h.Connect(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	v, err := c.GATT().Read(ctx, uuid.From16(0x180F), uuid.From16(0x2A19))
	if err != nil {
		return err
	}
	fmt.Printf("battery %d%%\n", v[0])
	return nil
}
