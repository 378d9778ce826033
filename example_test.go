package moor_test

import (
	"context"
	"fmt"
	"log"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// The program of README.md, with a Config for simulated air.
func Example() {
	if err := run(context.Background(), &connmgr.Config{Adapters: []string{"sim:sensors"}, Kinds: []connmgr.Kind{{Prefix: "sim:", Open: sim.OpenTransport}}}); err != nil {
		log.Print(err)
	}
	// Output: battery 87 %
}

func run(ctx context.Context, cfg *connmgr.Config) error {
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	c, err := m.Establish(ctx, "C0:FF:EE:00:00:01/random", nil) // attempts, slots, cached table
	if err != nil {
		return err
	}
	defer c.Close()
	v, err := c.Read(ctx, gatt.UUID16(0x180F), gatt.UUID16(0x2A19)) // Battery Service, Battery Level
	if err != nil {
		return err
	}
	if len(v) != 1 {
		return fmt.Errorf("a battery level of %d octets", len(v))
	}
	fmt.Printf("battery %d %%\n", v[0])
	return nil
}
