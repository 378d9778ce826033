// Command proxy serves the adapters to Home Assistant as a Bluetooth proxy of ESPHome.
//
//	proxy [-a ADAPTER]... [-listen ADDRESS] [-key KEY] NAME
package main

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/sim"
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:sensors; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	listen := flag.String("listen", ":6053", "accept clients at `ADDRESS`")
	keyText := flag.String("key", os.Getenv("PROXY_KEY"), "the `KEY` that clients have too; default $PROXY_KEY, else a new one")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: proxy [-a ADAPTER]... [-listen ADDRESS] [-key KEY] NAME")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, cfg, *listen, *keyText, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

// serve serves clients until ctx ends.
func serve(ctx context.Context, cfg *connmgr.Config, listen, keyText, name string) error {
	key := esphome.NewKey()
	if keyText != "" {
		var err error
		if key, err = esphome.ParseKey(keyText); err != nil {
			return err
		}
	}
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := proxy.New(m, &proxy.Config{Name: name, MAC: macOf(name), Key: &key})
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("%s listens at %s; Ctrl-C ends\n", name, l.Addr())
	if keyText == "" {
		fmt.Printf("key %s\n", key)
	}
	return s.Serve(ctx, l)
}

// macOf returns a locally administered address that stays the same for a name: clients
// know a proxy again by it.
func macOf(name string) (m hci.MAC) {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(name)) // never fails
	copy(m[:], sum.Sum(nil))
	m[5] = m[5]&^0x01 | 0x02 // for one device, and locally administered
	return m
}
