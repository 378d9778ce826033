// Command goble-port is a program for go-ble on moor: it lists the devices in range, or
// the services of one. port.diff holds the lines that were changed.
//
//	goble-port [-a ADAPTER]
//	goble-port [-a ADAPTER] NAME
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/sim"
)

func main() {
	adapter := flag.String("a", "hci0", "use `ADAPTER`, such as hci1 or sim:sensors")
	flag.Parse()
	d, err := goble.OpenManager(context.Background(), &connmgr.Config{
		Adapters: []string{*adapter},
		Kinds:    []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "goble-port: cannot open the adapter:", err)
		os.Exit(1)
	}
	ble.SetDefaultDevice(d)
	ctx := ble.WithSigHandler(context.WithTimeout(context.Background(), 5*time.Second))
	if flag.NArg() == 0 {
		err = scan(ctx)
	} else {
		err = explore(ctx, flag.Arg(0))
	}
	if err = errors.Join(err, ble.Stop()); err != nil {
		fmt.Fprintln(os.Stderr, "goble-port:", err)
		os.Exit(1)
	}
}

// scan prints each device once.
func scan(ctx context.Context) error {
	seen := map[string]bool{}
	err := ble.Scan(ctx, false, func(a ble.Advertisement) {
		if a.LocalName() != "" && !seen[a.Addr().String()] {
			seen[a.Addr().String()] = true
			fmt.Printf("%s %d dBm %s\n", a.Addr(), a.RSSI(), a.LocalName())
		}
	}, nil)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// explore connects to a device by its name and prints its services.
func explore(ctx context.Context, name string) error {
	c, err := ble.Connect(ctx, func(a ble.Advertisement) bool { return a.LocalName() == name })
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", name, err)
	}
	p, err := c.DiscoverProfile(true)
	if err != nil {
		return fmt.Errorf("cannot discover the profile: %w", err)
	}
	for _, s := range p.Services {
		fmt.Printf("service %s %s\n", s.UUID, ble.Name(s.UUID))
		for _, ch := range s.Characteristics {
			fmt.Printf("  characteristic %s %s\n", ch.UUID, ble.Name(ch.UUID))
		}
	}
	if err := c.CancelConnection(); err != nil {
		return err
	}
	<-c.Disconnected()
	return nil
}
