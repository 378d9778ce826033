// Command advlog prints the advertisements that all adapters hear, with the values of
// sensors and the identities of beacons.
//
//	advlog [-a ADAPTER]... [-keys FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/sim"
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	cfg.PassiveScan = true // listens only; names are often in scan responses, which this does not ask for
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:beacons; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	keyFile := flag.String("keys", "", "read the keys of devices that encrypt from `FILE`, with a line ADDR=KEY for each")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: advlog [-a ADAPTER]... [-keys FILE]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := logReports(ctx, cfg, *keyFile); err != nil {
		fmt.Fprintln(os.Stderr, "advlog:", err)
		os.Exit(1)
	}
}

// logReports prints advertisements until ctx ends.
func logReports(ctx context.Context, cfg *connmgr.Config, keyFile string) error {
	keys := &payload.Keys{}
	if keyFile != "" {
		text, err := os.ReadFile(keyFile)
		if err != nil {
			return err
		}
		if err := keys.UnmarshalText(text); err != nil {
			return fmt.Errorf("%s: %w", keyFile, err)
		}
	}
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	// A device is reported again when its data changes.
	for r, err := range m.Scan(ctx, &connmgr.ScanOptions{Passive: true}) {
		if lost, ok := errors.AsType[*connmgr.AdapterError](err); ok {
			fmt.Fprintln(os.Stderr, "advlog:", lost) // the others go on, and this one may come back
			continue
		}
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s %s %s %d dBm %q\n", r.Time.Format(time.TimeOnly), r.Adapter, r.Addr, r.RSSI, r.Name())
		for _, f := range r.Payloads(keys) {
			fmt.Printf("\t%s\n", &f)
		}
	}
	return nil
}
