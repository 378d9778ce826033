// Command uart is a terminal over the Nordic UART service: lines of the standard input go
// to the device, and its output comes to the standard output.
//
//	uart [-a ADAPTER]... ADDR
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

var (
	service = uuid.MustParse("6e400001-b5a3-f393-e0a9-e50e24dcca9e")
	rx      = uuid.MustParse("6e400002-b5a3-f393-e0a9-e50e24dcca9e") // to the device
	tx      = uuid.MustParse("6e400003-b5a3-f393-e0a9-e50e24dcca9e") // from the device
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:FILE; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: uart [-a ADAPTER]... ADDR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := talk(ctx, cfg, flag.Arg(0)); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "uart:", err)
		os.Exit(1)
	}
}

// talk returns at the end of the link or of ctx.
func talk(ctx context.Context, cfg *connmgr.Config, address string) error {
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	need := []connmgr.Requirement{{Service: service, Characteristics: []uuid.UUID{rx, tx}}}
	c, err := m.Establish(ctx, address, &connmgr.Options{Require: need})
	if err != nil {
		return err
	}
	defer c.Close()
	sub, err := c.Subscribe(ctx, service, tx, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "connected to %s; Ctrl-C ends\n", c.Name())
	go func() { // ends with the input, or with the link
		if err := sendLines(ctx, c, os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, "uart: not sent:", err)
		}
	}()
	for v, err := range sub.All(ctx) {
		if err != nil {
			return err
		}
		_, _ = os.Stdout.Write(v.Data)
	}
	return nil
}

// sendLines sends lines to the device, those that are longer than a write in parts.
func sendLines(ctx context.Context, c *connmgr.Client, r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		for part := append(lines.Bytes(), '\n'); len(part) > 0; {
			n := min(len(part), c.GATT().MTU()-3, 512) // the header has 3 octets, and a value at most 512
			if err := c.Write(ctx, service, rx, part[:n]); err != nil {
				return err
			}
			part = part[n:]
		}
	}
	return lines.Err()
}
