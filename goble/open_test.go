package goble_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci/cmd"

	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
)

// TestOpen opens a simulated controller behind a Unix socket, as a program opens
// a real one, and finds a device with it.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller")
	ctl := newAir(t).NewController(nil)
	serve(t, path, ctl)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	d, err := goble.Open(ctx, "unix:"+path, ble.OptDialerTimeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ble.SetDefaultDevice(d)
	c, err := ble.Connect(ctx, func(a ble.Advertisement) bool { return a.LocalName() == "Thermometer" })
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Addr().String(); got != "c0:ff:ee:00:00:01" {
		t.Errorf("connected to %s", got)
	}
	if got, want := c.Conn().LocalAddr().String(), strings.ToLower(d.Host().Controller().Info().Address.MAC.String()); got != want {
		t.Errorf("connected from %s, want %s", got, want)
	}
	if err := ble.Stop(); err != nil {
		t.Error(err)
	}
	select {
	case <-c.Disconnected():
	case <-ctx.Done():
		t.Error("Stop left the link")
	}
}

// TestOpenChoosesTheAdapter looks into the error for the adapter that was tried.
func TestOpenChoosesTheAdapter(t *testing.T) {
	const absent = 65000
	for _, c := range []struct{ address, want string }{
		{"", "hci65000: "},
		{"unix:/nonexistent", "unix:/nonexistent: "},
	} {
		_, err := goble.Open(t.Context(), c.address, ble.OptDeviceID(absent))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("address %q: got %v, want an error of %s", c.address, err, c.want)
		}
	}
	if _, err := goble.Open(t.Context(), "", ble.OptAdvParams(cmd.LESetAdvertisingParameters{AdvertisingType: 1})); err == nil {
		t.Error("an option that is not supported was ignored")
	}
}

// serve gives the first client of a Unix socket a controller.
func serve(t *testing.T, path string, ctl *sim.Controller) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); ctl.Close(); wg.Wait() })
	wg.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return // no client came
		}
		host := hcisock.NewStream(conn)
		wg.Go(func() {
			copyPackets(ctl, host)
			ctl.Close()
		})
		copyPackets(host, ctl)
		host.Close()
	})
}

// copyPackets carries packets until one side ends.
func copyPackets(to, from hci.Transport) {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := from.ReadPacket(b)
		if err != nil || to.WritePacket(b[:n]) != nil {
			return
		}
	}
}
