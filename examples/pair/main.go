// Command pair pairs with a device, asks on the terminal for what the pairing needs, and
// keeps the bond.
//
//	pair [-a ADAPTER]... [-state DIR] ADDR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:sensors; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	flag.StringVar(&cfg.StateDir, "state", defaultState(), "keep bonds in `DIR`, for this user alone")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: pair [-a ADAPTER]... [-state DIR] ADDR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := pair(ctx, cfg, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "pair:", err)
		os.Exit(1)
	}
}

// defaultState returns a directory of the user for the state of this program.
func defaultState() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "pair-state"
	}
	return filepath.Join(dir, "moor-pair")
}

// pair connects to the device and pairs with it, unless there is a bond already. The
// bond encrypts this and every later link before anything else is said on it.
func pair(ctx context.Context, cfg *connmgr.Config, address string) error {
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	c, err := m.Establish(ctx, address, &connmgr.Options{
		Pair: true,
		// MITM refuses a device that offers no passkey, and so no proof of who it is.
		Pairing: &smp.PairOptions{Delegate: smp.NewTerminal(os.Stdin, os.Stderr), MITM: true},
	})
	switch {
	case errors.Is(err, connmgr.ErrBondLost):
		return fmt.Errorf("%w; if the device was reset, remove its bond from %s and pair again", err, cfg.StateDir)
	case err != nil:
		return err
	}
	defer c.Close()
	how := "had a bond already"
	if c.Paired() != nil {
		how = "paired"
	}
	s := c.Security()
	fmt.Printf("%s: encrypted %v, authenticated %v, key of %d octets\n", how, s.Encrypted, s.Authenticated, s.KeySize)
	return nil
}
