// Command hold stays connected to devices and prints a JSON line for each change of a
// connection and for each value.
//
//	hold [-a ADAPTER]... SERVICE CHARACTERISTIC ADDR...
package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:sensors; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	flag.Parse()
	if flag.NArg() < 3 {
		fmt.Fprintln(os.Stderr, "usage: hold [-a ADAPTER]... SERVICE CHARACTERISTIC ADDR...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := hold(ctx, cfg, flag.Arg(0), flag.Arg(1), flag.Args()[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

// hold keeps a connection to each device until ctx ends, or until each of them has
// failed for a reason that does not pass.
func hold(ctx context.Context, cfg *connmgr.Config, service, characteristic string, addresses []string) error {
	svc, err := uuid.Parse(service)
	if err != nil {
		return err
	}
	chr, err := uuid.Parse(characteristic)
	if err != nil {
		return err
	}
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	kept := make([]*connmgr.Kept, len(addresses))
	for i, address := range addresses {
		if kept[i], err = m.Keep(ctx, address, nil); err != nil {
			return err
		}
	}
	out := slog.New(slog.NewJSONHandler(os.Stdout, nil)) // writes whole lines, from any goroutine
	var wg sync.WaitGroup
	for i, k := range kept {
		wg.Go(func() {
			for s := range k.Watch(ctx) {
				out.Info("state", "device", addresses[i], "status", s)
			}
		})
		sub := k.Subscribe(svc, chr, nil)
		wg.Go(func() { printValues(ctx, out.With("device", addresses[i]), sub) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil // Ctrl-C
	}
	return errors.New("no connection is left: the last states have the reasons")
}

// printValues prints the values of a subscription. It outlives the links: between two of
// them, values may be missed.
func printValues(ctx context.Context, out *slog.Logger, sub *connmgr.KeptSubscription) {
	for v, err := range sub.All(ctx) {
		if gap, ok := errors.AsType[*connmgr.InterruptedError](err); ok {
			out.Info("gap", "reason", fmt.Sprint(gap.Err))
			continue
		}
		if err != nil {
			return // the connection has ended for good, or ctx has: the status says why
		}
		out.Info("value", "hex", hex.EncodeToString(v.Data), "dropped", v.Dropped)
	}
}
