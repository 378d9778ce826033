package goble_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

func newDevice(t *testing.T, air *sim.Air, opts ...ble.Option) *goble.Device {
	t.Helper()
	h, err := host.Open(t.Context(), air.NewController(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := goble.New(h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := d.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

// newAir puts sim's own devices on air.
func newAir(t *testing.T) *sim.Air {
	t.Helper()
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	for _, cfg := range []*sim.PeripheralConfig{sim.Thermometer(), sim.HeartRateBelt(), sim.Lamp()} {
		p, err := air.NewPeripheral(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
	}
	return air
}

// TestProgram does the same as go-ble's own example programs: find by name, connect,
// discover, read, subscribe, disconnect, through the package's functions.
func TestProgram(t *testing.T) { synctest.Test(t, testProgram) }

func testProgram(t *testing.T) {
	program(t, newDevice(t, newAir(t), ble.OptDialerTimeout(20*time.Second)))
}

func program(t *testing.T, d *goble.Device) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var found ble.Advertisement
	scan, stop := context.WithCancel(ctx)
	err := d.Scan(scan, false, func(a ble.Advertisement) {
		if a.LocalName() == "Heart rate belt" && found == nil {
			found = a
			stop()
		}
	})
	if err != context.Canceled || found == nil || !found.Connectable() || found.Addr().String() != "c0:ff:ee:00:00:02" {
		t.Fatalf("scan: %v, %v", err, found)
	}
	c, err := d.Dial(ctx, found.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if mtu, err := c.ExchangeMTU(ble.MaxMTU); err != nil || mtu != ble.MaxMTU || c.Name() != "Heart rate belt" {
		t.Errorf("MTU %d, %v; name %q", mtu, err, c.Name())
	}
	p, err := c.DiscoverProfile(true)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := c.DiscoverProfile(false); again != p {
		t.Error("without force the profile is another one")
	}
	level := p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(0x2A19)))
	if v, err := c.ReadCharacteristic(level); err != nil || len(v) != 1 || !bytes.Equal(level.Value, v) {
		t.Errorf("read % x, %v", v, err)
	}
	control := p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(0x2A39)))
	if _, err := c.ReadCharacteristic(control); err != ble.ErrReadNotPerm {
		t.Errorf("got %v, want the bare code", err)
	}
	rate := p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(0x2A37)))
	if rate.CCCD == nil {
		t.Fatal("the characteristic has no CCCD")
	}
	got := make(chan []byte, 100)
	if err := c.Subscribe(rate, false, func(v []byte) {
		_, _ = c.ReadCharacteristic(level) // a handler may call the client
		got <- v
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if v := <-got; len(v) != 2 {
			t.Errorf("notification % x", v)
		}
	}
	if err := c.ClearSubscriptions(); err != nil {
		t.Error(err)
	}
	if r := c.ReadRSSI(); r != -50 {
		t.Errorf("RSSI %d", r)
	}
	if err := c.CancelConnection(); err != nil {
		t.Error(err)
	}
	<-c.Disconnected()
	if _, err := c.ReadCharacteristic(level); err == nil {
		t.Error("a read on a dead link succeeded")
	}
}

// TestScanDoesNotWaitForItsHandler: go-ble programs block in the handler and
// cancel from there.
func TestScanDoesNotWaitForItsHandler(t *testing.T) {
	synctest.Test(t, testScanDoesNotWaitForItsHandler)
}

func testScanDoesNotWaitForItsHandler(t *testing.T) {
	d := newDevice(t, newAir(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	release := make(chan struct{})
	var calls atomic.Int32
	err := d.Scan(ctx, true, func(ble.Advertisement) { calls.Add(1); <-release })
	if err != context.DeadlineExceeded {
		t.Errorf("got %v, want the context's error itself", err)
	}
	close(release)
	time.Sleep(time.Second)
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls, want none after the context's end", n)
	}
}

// TestConnectFunction uses ble.Connect, which dials from the first match.
func TestConnectFunction(t *testing.T) { synctest.Test(t, testConnectFunction) }

func testConnectFunction(t *testing.T) {
	d := newDevice(t, newAir(t))
	ble.SetDefaultDevice(d)
	c, err := ble.Connect(t.Context(), func(a ble.Advertisement) bool { return a.LocalName() == "Lamp" })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CancelConnection(); err != nil {
		t.Error(err)
	}
}

func TestDialObeysItsContext(t *testing.T) { synctest.Test(t, testDialObeysItsContext) }

func testDialObeysItsContext(t *testing.T) {
	d := newDevice(t, newAir(t))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	begin := time.Now()
	_, err := d.Dial(ctx, ble.NewAddr("11:22:33:44:55:66"))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
}

func TestOptionsAreNotSilentlyIgnored(t *testing.T) {
	if _, err := goble.NewManager(nil, ble.OptPeripheralRole()); !errors.Is(err, ble.ErrNotImplemented) {
		t.Errorf("got %v", err)
	}
}
