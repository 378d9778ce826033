package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
)

// takeNumber returns the handler of a write of a number of two octets.
func takeNumber(start func(n int)) func(context.Context, *gatt.WriteRequest) error {
	return func(_ context.Context, r *gatt.WriteRequest) error {
		if len(r.Value) != 2 {
			return att.CodeInvalidAttributeValueLength
		}
		go start(int(binary.LittleEndian.Uint16(r.Value)))
		return nil
	}
}

// servePeer is the device on the adapter that args names. It prints its address.
func servePeer(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: bench peer ADAPTER")
	}
	var srv *gatt.Server
	srv, err := gatt.NewServer(&gatt.ServerConfig{Name: "bench", Services: describeDevice(func(n int) { sendValues(ctx, srv, n) })})
	if err != nil {
		return err
	}
	tr, err := hcisock.Open(ctx, args[0], nil)
	if err != nil {
		return err
	}
	h, err := host.Open(ctx, tr, &host.Config{Server: srv})
	if err != nil {
		return err
	}
	fields := hci.AdvFields{Flags: hci.FlagGeneralDiscoverable | hci.FlagNoBREDR, Services: []gatt.UUID{battery}, Name: "bench"}
	data, err := fields.Append(nil, 31)
	if err != nil {
		return err
	}
	if err := h.Advertise(ctx, &controller.AdvertiseOptions{Data: data}); err != nil {
		return err
	}
	info, err := h.Controller().AwaitInfo(ctx)
	if err != nil {
		return err
	}
	fmt.Println(info.Address.MAC)
	for {
		if _, err := h.Accept(ctx); err != nil {
			return err
		}
	}
}

// sendValues sends n numbered notifications as fast as they are taken.
func sendValues(ctx context.Context, srv *gatt.Server, n int) {
	h, _ := srv.Handle(service, stream)
	v := make([]byte, 20)
	for i := range n {
		binary.LittleEndian.PutUint16(v, uint16(i))
		if _, err := srv.Notify(ctx, h, v); err != nil {
			fmt.Fprintf(os.Stderr, "bench peer: %v\n", err)
			return
		}
	}
}
