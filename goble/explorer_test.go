package goble_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// exploreDevice is a program for go-ble, in the manner of go-ble's explorer: it looks for
// a device by name for five seconds, connects, lists the whole table with all values, and
// disconnects. All but open is as it is with go-ble.
func exploreDevice(out io.Writer, name string, open func() (ble.Device, error)) error {
	d, err := open()
	if err != nil {
		return fmt.Errorf("no device: %w", err)
	}
	ble.SetDefaultDevice(d)
	defer func() { _ = ble.Stop() }()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := ble.Connect(ctx, func(a ble.Advertisement) bool { return strings.EqualFold(a.LocalName(), name) })
	if err != nil {
		return err
	}
	p, err := c.DiscoverProfile(true)
	if err != nil {
		return err
	}
	for _, s := range p.Services {
		fmt.Fprintf(out, "service %s\n", s.UUID)
		for _, chr := range s.Characteristics {
			fmt.Fprintf(out, "  characteristic %s at %d\n", chr.UUID, chr.ValueHandle)
			if chr.Property&ble.CharRead != 0 {
				v, err := c.ReadCharacteristic(chr)
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "    % x\n", v)
			}
			for _, desc := range chr.Descriptors {
				v, err := c.ReadDescriptor(desc)
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "    descriptor %s: % x\n", desc.UUID, v)
			}
		}
	}
	if err := c.CancelConnection(); err != nil {
		return err
	}
	<-c.Disconnected()
	return nil
}

// TestExplorer: on air where every device fails its first two connects, the program gets
// through ten times of ten with a Manager. With one controller it fails, as with go-ble.
func TestExplorer(t *testing.T) {
	for seed := range 10 {
		address := fmt.Sprintf("sim:flaky?seed=%d", seed)
		synctest.Test(t, func(t *testing.T) {
			var out strings.Builder
			if err := exploreDevice(&out, "thermometer", func() (ble.Device, error) {
				return goble.OpenManager(t.Context(), &connmgr.Config{
					Adapters: []string{address},
					Kinds:    []connmgr.Kind{{Prefix: "sim:", Open: sim.OpenTransport}},
				})
			}); err != nil {
				t.Errorf("%s: %v", address, err)
			}
			if !strings.Contains(out.String(), "service 180f\n  characteristic 2a19") {
				t.Errorf("%s: listed\n%s", address, &out)
			}
			err := exploreDevice(io.Discard, "thermometer", func() (ble.Device, error) {
				tr, err := sim.OpenTransport(t.Context(), address)
				if err != nil {
					return nil, err
				}
				h, err := host.Open(t.Context(), tr, nil)
				if err != nil {
					return nil, err
				}
				return goble.New(h)
			})
			if err == nil {
				t.Errorf("%s: one attempt of one controller succeeds, so that this is no test", address)
			}
		})
	}
}
