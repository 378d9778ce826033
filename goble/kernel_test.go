//go:build kernel

package goble_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux"

	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/lab"
)

// onKernel runs a program on an adapter of the kernel, in real time: by its changed line
// with this package, and as it was written with go-ble's own device. The adapter's
// controller is on simulated air.
func onKernel(t *testing.T, run func(*testing.T, *radio, func() (ble.Device, error))) {
	t.Run("kernel", func(t *testing.T) {
		r := newRadio(t)
		adapter := r.attach(t)
		run(t, r, func() (ble.Device, error) {
			d, err := goble.Open(t.Context(), adapter)
			return stopped(t, d, err)
		})
	})
	t.Run("go-ble", func(t *testing.T) {
		r := newRadio(t)
		index, err := strconv.Atoi(strings.TrimPrefix(r.attach(t), "hci"))
		if err != nil {
			t.Fatal(err)
		}
		run(t, r, func() (ble.Device, error) { return linux.NewDevice(ble.OptDeviceID(index)) })
	})
}

// attach gives the controller to the kernel until the test ends, and returns the name of
// the adapter.
func (r *radio) attach(t *testing.T) string {
	t.Helper()
	port, err := lab.Listen(t.Context(), lab.Place{Kind: lab.PlaceVHCI})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- port.Serve(ctx, &lab.Config{Open: func(context.Context) (hci.Transport, error) { return r.ctl.Plug(), nil }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		found, err := hcisock.Adapters()
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(found, func(a hcisock.Adapter) bool { return a.Name == port.Address() && a.MAC != (hci.MAC{}) }) {
			return port.Address()
		}
	}
	t.Fatal("the kernel does not set the adapter up")
	return ""
}
