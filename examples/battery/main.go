// Command battery prints the battery level of a device.
//
//	battery [-a ADAPTER]... ADDR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

var (
	batteryService = gatt.UUID16(0x180F)
	batteryLevel   = gatt.UUID16(0x2A19)
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:sensors; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: battery [-a ADAPTER]... ADDR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	level, err := readLevel(ctx, cfg, flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "battery:", err) // with the remedy
		os.Exit(exitCode(err))
	}
	fmt.Printf("%d %%\n", level)
}

// readLevel returns the battery level of a device in percent.
func readLevel(ctx context.Context, cfg *connmgr.Config, address string) (byte, error) {
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	// Establish makes as many attempts as the reasons of the failures allow.
	c, err := m.Establish(ctx, address, nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	v, err := c.Read(ctx, batteryService, batteryLevel)
	if err != nil {
		return 0, err
	}
	if len(v) != 1 {
		return 0, fmt.Errorf("a battery level of %d octets", len(v))
	}
	return v[0], nil
}

// exitCode lets a script tell the reasons apart.
func exitCode(err error) int {
	switch {
	case errors.Is(err, connmgr.ErrNotFound):
		return 3
	case errors.Is(err, connmgr.ErrOutOfSlots):
		return 4
	}
	return 1
}
