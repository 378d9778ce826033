package host_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

var (
	dimmer     = uuid.MustParse("6d6f6f72-0001-4469-6d6d-657200000000")
	brightness = uuid.MustParse("6d6f6f72-0002-4469-6d6d-657200000000")
)

// newDimmer returns the attribute table of a dimmer: a brightness of 0 to 100 % that can
// be read, written and subscribed to.
func newDimmer() (server *gatt.Server, err error) {
	set := func(ctx context.Context, r *gatt.WriteRequest) error {
		if r.Value[0] > 100 {
			return att.CodeOutOfRange // what the client gets to see
		}
		fmt.Printf("peripheral: %d %%\n", r.Value[0])
		_, err := server.SetAndNotify(ctx, r.Handle, r.Value) // those who have subscribed
		return err
	}
	server, err = gatt.NewServer(&gatt.ServerConfig{Name: "Dimmer", Services: []gatt.ServiceDef{{
		UUID: dimmer,
		Characteristics: []gatt.CharDef{{
			UUID: brightness, Properties: gatt.PropRead | gatt.PropWrite | gatt.PropNotify,
			Value: []byte{0}, MinLen: 1, MaxLen: 1, Write: set,
		}},
	}}})
	return server, err
}

// A complete peripheral: it advertises, accepts a link and serves its attribute table
// until the central disconnects. A real program uses hcisock.Open in place of the
// simulated controller.
func Example_peripheral() {
	ctx := context.Background()
	air := sim.New(nil)
	defer air.Close()
	server, err := newDimmer()
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close() // when the links have ended
	h, err := host.Open(ctx, air.NewController(nil), &host.Config{Server: server})
	if err != nil {
		log.Print(err)
		return
	}
	defer h.Close()
	if err := h.AdvertiseNameAndServices(ctx, "Dimmer", dimmer); err != nil {
		log.Print(err)
		return
	}

	used := make(chan error)
	go func() { used <- use(ctx, air.NewController(nil)) }() // somebody comes by
	c, err := h.Accept(ctx)
	if err != nil {
		log.Print(err)
		return
	}
	// The host answers requests by itself. After the end of the link it advertises
	// again.
	<-c.Done()
	fmt.Println("peripheral: ended by the central:", errors.Is(c.Err(), hci.StatusRemoteUserTerminated))
	if err := <-used; err != nil {
		log.Print(err)
	}
	// Output:
	// peripheral: 42 %
	// central: heard of 42 %
	// central: 101 %: out of range
	// peripheral: ended by the central: true
}

// use is a central that finds the dimmer and changes its brightness.
func use(ctx context.Context, tr hci.Transport) error {
	h, err := host.Open(ctx, tr, nil)
	if err != nil {
		return err
	}
	defer h.Close()
	scan, err := h.Scan(ctx, &controller.ScanOptions{Filter: &controller.ScanFilter{Services: []gatt.UUID{dimmer}}})
	if err != nil {
		return err
	}
	found, err := scan.Next(ctx)
	scan.Close()
	if err != nil {
		return err
	}
	c, err := h.Connect(ctx, found.Addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	ch, err := c.GATT().Char(ctx, dimmer, brightness)
	if err != nil {
		return err
	}
	sub, err := ch.Subscribe(ctx, nil)
	if err != nil {
		return err
	}
	if err := ch.Write(ctx, []byte{42}); err != nil {
		return err
	}
	v, err := sub.Next(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("central: heard of %d %%\n", v.Data[0])
	if err := ch.Write(ctx, []byte{101}); errors.Is(err, att.CodeOutOfRange) {
		fmt.Println("central: 101 %: out of range")
	}
	return nil
}
