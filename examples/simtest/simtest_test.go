// Package simtest tests a program against faults that are rare on a real radio. Each test
// takes milliseconds: inside testing/synctest, waiting takes no time.
package simtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// readLevel is the program to test.
func readLevel(ctx context.Context, m *connmgr.Manager, address string) ([]byte, error) {
	c, err := m.Establish(ctx, address, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Read(ctx, gatt.UUID16(0x180F), gatt.UUID16(0x2A19)) // Battery Level
}

// world is an air with a controller and two thermometers, and a Manager on it.
type world struct {
	ctl         *sim.Controller
	near, other string // the addresses of the thermometers
	manager     *connmgr.Manager
}

// newWorld returns a world, which ends with the test.
func newWorld(t *testing.T, cfg *sim.ControllerConfig) *world {
	air := sim.New(&sim.Config{Seed: 1}) // the same seed gives the same run
	t.Cleanup(func() { air.Close() })
	cfg.Name = "hci0"
	w := &world{ctl: air.NewController(cfg)}
	for _, address := range []*string{&w.near, &w.other} {
		device := sim.Thermometer()
		device.Address = hci.Addr{} // one of its own for each
		p, err := air.NewPeripheral(t.Context(), device)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		*address = p.Address().String()
	}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	w.manager = m
	return w
}

// wantLevel reads the level of a device, and wants the time that it takes to be at least this.
func (w *world) wantLevel(t *testing.T, address string, least time.Duration) {
	t.Helper()
	start := time.Now()
	v, err := readLevel(t.Context(), w.manager, address)
	if took := time.Since(start); err != nil || len(v) != 1 || v[0] != 87 || took < least {
		t.Errorf("read % x after %v, %v, want 57 after %v or more", v, took, err, least)
	}
}

func TestConnectFailsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &sim.ControllerConfig{})
		w.ctl.Fault(&sim.ConnectFault{Times: 2}) // connection failed to be established (0x3E)
		w.wantLevel(t, w.near, 0)
	})
}

func TestUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &sim.ControllerConfig{})
		w.ctl.Replug(5*time.Second, "")
		w.wantLevel(t, w.near, 5*time.Second) // the program waits for the adapter
	})
}

func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &sim.ControllerConfig{MaxLinks: 1})
		c, err := w.manager.Establish(t.Context(), w.other, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(3*time.Second, func() { c.Close() })
		w.wantLevel(t, w.near, 3*time.Second) // the program waits for a slot
	})
}
