// Command device is a device with the Nordic UART service. It sends back all that it
// receives, in capitals.
//
//	device [-a ADAPTER] NAME
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

var (
	service = uuid.MustParse("6e400001-b5a3-f393-e0a9-e50e24dcca9e")
	rx      = uuid.MustParse("6e400002-b5a3-f393-e0a9-e50e24dcca9e") // to the device
	tx      = uuid.MustParse("6e400003-b5a3-f393-e0a9-e50e24dcca9e") // from the device
)

func main() {
	adapter := flag.String("a", "hci0", "use `ADAPTER`, such as hci1 or sim:empty")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: device [-a ADAPTER] NAME")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *adapter, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "device:", err)
		os.Exit(1)
	}
}

// serve advertises and answers until ctx or the controller ends.
func serve(ctx context.Context, adapter, name string) error {
	var server *gatt.Server
	answer := func(ctx context.Context, r *gatt.WriteRequest) error {
		h, _ := server.Handle(service, tx)
		_, err := server.Notify(ctx, h, bytes.ToUpper(r.Value))
		return err
	}
	server, err := gatt.NewServer(&gatt.ServerConfig{Name: name, Services: []gatt.ServiceDef{{
		UUID: service,
		Characteristics: []gatt.CharDef{
			{UUID: rx, Properties: gatt.PropWrite | gatt.PropWriteWithoutResponse, Write: answer},
			{UUID: tx, Properties: gatt.PropNotify},
		},
	}}})
	if err != nil {
		return err
	}
	defer server.Close()
	kind, err := connmgr.KindOf([]connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}, adapter)
	if err != nil {
		return err
	}
	tr, err := kind.Open(ctx, adapter)
	if err != nil {
		return err
	}
	h, err := host.Open(ctx, tr, &host.Config{Server: server})
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.AdvertiseNameAndServices(ctx, name, service); err != nil {
		return err
	}
	fmt.Printf("advertising %s on %s; Ctrl-C ends\n", name, adapter)
	select {
	case <-h.Done():
		return h.Err()
	case <-ctx.Done():
		return nil
	}
}
