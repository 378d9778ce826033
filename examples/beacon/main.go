// Command beacon broadcasts an iBeacon until Ctrl-C.
//
//	beacon [-a ADAPTER] UUID MAJOR MINOR
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

func main() {
	adapter := flag.String("a", "hci0", "use `ADAPTER`, such as hci1 or sim:empty")
	flag.Parse()
	beacon, err := parseBeacon(flag.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "beacon: %v\nusage: beacon [-a ADAPTER] UUID MAJOR MINOR\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := broadcast(ctx, *adapter, beacon); err != nil {
		fmt.Fprintln(os.Stderr, "beacon:", err)
		os.Exit(1)
	}
}

// parseBeacon returns the beacon of the command line, with the usual signal strength.
func parseBeacon(args []string) (b payload.IBeacon, err error) {
	if len(args) != 3 {
		return b, fmt.Errorf("got %d arguments, want 3", len(args))
	}
	if b.UUID, err = uuid.Parse(args[0]); err != nil {
		return b, err
	}
	for i, field := range []*uint16{&b.Major, &b.Minor} {
		n, err := strconv.ParseUint(args[1+i], 10, 16)
		if err != nil {
			return b, fmt.Errorf("%q is no number from 0 to 65535", args[1+i])
		}
		*field = uint16(n)
	}
	b.Power = -59
	return b, nil
}

// broadcast advertises until ctx ends, or the controller.
func broadcast(ctx context.Context, adapter string, b payload.IBeacon) error {
	kind, err := connmgr.KindOf([]connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}, adapter)
	if err != nil {
		return err
	}
	tr, err := kind.Open(ctx, adapter)
	if err != nil {
		return err
	}
	ctl, err := controller.Open(ctx, tr, nil)
	if err != nil {
		return err
	}
	defer ctl.Close()
	fields := hci.AdvFields{
		Flags:        hci.FlagGeneralDiscoverable | hci.FlagNoBREDR,
		Manufacturer: []hci.ManufacturerData{b.ManufacturerData()},
	}
	data, err := fields.Append(nil, 31) // the room of an advertisement that every device hears
	if err != nil {
		return err
	}
	err = ctl.Advertise(ctx, &controller.AdvertiseOptions{Data: data, NonConnectable: true, Interval: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	fmt.Printf("%v on %s; Ctrl-C ends\n", b, adapter)
	select {
	case <-ctl.Done():
		return ctl.Err()
	case <-ctx.Done():
		return nil
	}
}
