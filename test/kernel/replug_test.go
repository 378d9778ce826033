//go:build kernel

package kernel

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/test/conntest"
)

// away is the time without the adapter: a USB adapter that loads its firmware needs
// seconds.
const away = 4 * time.Second

// TestManagerReplugged takes the named adapter away while an Establish waits for a
// device, and returns it with the same index or with another one. The device
// advertises only then.
func TestManagerReplugged(t *testing.T) {
	for name, taken := range map[string]bool{"same index": false, "another index": true} {
		t.Run(name, func(t *testing.T) {
			air := sim.New(nil)
			t.Cleanup(func() { _ = air.Close() })
			central := air.NewController(nil)
			device, err := air.NewPeripheral(conntest.Within(t), &sim.PeripheralConfig{Services: services(t), Silent: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = device.Close() })
			address := device.Address().String()

			first, unplug := plug(t, central.Plug())
			m := conntest.Open(t, first)
			mac := m.Adapter(first).Controller().Info().Public
			ctx := conntest.Within(t)
			started := attempts(ctx, m)
			result := make(chan error, 1)
			go func() { result <- readOn(ctx, t, m, address, first) }()
			<-started

			begin := time.Now()
			unplug()
			time.Sleep(away)
			if taken {
				plugAs(t, first, air.NewController(nil))
				if second, _ := plug(t, central.Plug()); second == first {
					t.Fatalf("two adapters are %s", first)
				}
			} else {
				plugAs(t, first, central)
			}
			eventually(t, "the manager has the adapter again", func() bool { return m.Adapter(first).Controller() != nil })
			t.Logf("the manager has the adapter again after %v", time.Since(begin).Round(time.Millisecond))
			if now := m.Adapter(first).Controller().Info().Public; now != mac {
				t.Errorf("the manager has the adapter %v, want %v", now, mac)
			}
			select {
			case err := <-result:
				t.Fatalf("the Establish ended before the device advertised: %v", err)
			default:
			}
			conntest.Advertise(t, device.Host())
			select {
			case err := <-result:
				if err != nil {
					t.Error(err)
				}
			case <-ctx.Done():
				t.Fatal("the Establish does not end")
			}
			t.Logf("it ended %v after the adapter was unplugged", time.Since(begin).Round(time.Millisecond))
		})
	}
}

// attempts returns a channel that is closed when an attempt to connect begins.
func attempts(ctx context.Context, m *conntest.Manager) <-chan struct{} {
	started := make(chan struct{})
	events := m.Events(ctx)
	go func() {
		for e := range events {
			if _, ok := e.(connmgr.AttemptStarted); ok {
				close(started)
				return
			}
		}
	}()
	return started
}

// readOn connects to a device over the named adapter, with a limit of a minute, and
// reads the characteristic.
func readOn(ctx context.Context, t *testing.T, m *conntest.Manager, address, adapter string) error {
	c, err := m.Establish(ctx, address, &connmgr.Options{Adapter: adapter, Timeout: time.Minute})
	if err != nil {
		return err
	}
	_, err = c.Read(ctx, conntest.UUID(t, serviceUUID), conntest.UUID(t, scratchUUID))
	return errors.Join(err, c.Close())
}

// plugAs plugs a controller in until it has an index, which the kernel may release
// a moment after the adapter that had it.
func plugAs(t *testing.T, want string, c *sim.Controller) {
	t.Helper()
	eventually(t, "an adapter is "+want, func() bool {
		name, unplug := plug(t, c.Plug())
		if name != want {
			unplug()
		}
		return name == want
	})
}
