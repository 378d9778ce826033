package moor_test

import (
	"context"
	"fmt"
	"log"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// The program of README.md, with a simulated controller in place of
// hcisock.Open(ctx, "hci0", nil).
func Example() {
	ctx := context.Background()
	tr, err := sim.Open("sensors")
	if err != nil {
		log.Fatal(err)
	}
	h, err := host.Open(ctx, tr, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	peer, err := hci.ParseAddr("C0:FF:EE:00:00:01/random")
	if err != nil {
		log.Fatal(err)
	}
	c, err := h.Connect(ctx, peer, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	level, err := c.GATT().Read(ctx, uuid.From16(0x180F), uuid.From16(0x2A19))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("battery %d %%\n", level[0])
	// Output: battery 87 %
}
