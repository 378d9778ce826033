package moor_test

import (
	"context"
	"fmt"
	"log"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// The program of README.md, on simulated air where that has nil.
func Example() {
	run := func(ctx context.Context) error {
		m, err := connmgr.Open(ctx, &connmgr.Config{
			Adapters: []string{"sim:sensors"}, OpenTransport: sim.OpenTransport,
		})
		if err != nil {
			return err
		}
		defer m.Close()
		c, err := m.Establish(ctx, "C0:FF:EE:00:00:01/random", nil)
		if err != nil {
			return err
		}
		defer c.Close()
		v, err := c.Read(ctx, gatt.UUID16(0x180F), gatt.UUID16(0x2A19))
		if err != nil {
			return err
		}
		fmt.Printf("battery %d %%\n", v[0])
		return nil
	}
	if err := run(context.Background()); err != nil {
		log.Print(err)
	}
	// Output: battery 87 %
}
