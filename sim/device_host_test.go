package sim_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

func openHost(t *testing.T, tr hci.Transport, cfg *host.Config) *host.Host {
	t.Helper()
	h, err := host.Open(t.Context(), tr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// TestDeviceMeetsHost lets moor's own client use a Device.
func TestDeviceMeetsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(nil)
		t.Cleanup(func() { _ = air.Close() })
		service, char := uuid.From16(0xFFE0), uuid.From16(0xFFE1)
		d := air.NewDevice(&sim.DeviceConfig{Table: sim.NewTable(
			sim.GenericAccess("sensor"), sim.GenericAttribute(true, true),
			gatt.ServiceDef{UUID: service, Characteristics: []gatt.CharDef{{
				UUID: char, Properties: gatt.PropRead | gatt.PropWrite | gatt.PropNotify, Value: []byte{7},
			}}},
		)})
		h := openHost(t, air.NewController(nil), nil)
		c, err := h.Connect(t.Context(), d.Address(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := c.GATT().Read(t.Context(), service, char); err != nil || len(v) != 1 || v[0] != 7 {
			t.Errorf("read % x, %v", v, err)
		}
		ch, err := c.GATT().Char(t.Context(), service, char)
		if err != nil {
			t.Fatal(err)
		}
		sub, err := ch.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.SetValue(d.Find(char), []byte{8, 9})
		if v, err := sub.Next(t.Context()); err != nil || len(v.Data) != 2 || v.Data[0] != 8 {
			t.Errorf("notified % x, %v", v.Data, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestForgetBonds has a peripheral lose its bond.
func TestForgetBonds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(nil)
		t.Cleanup(func() { _ = air.Close() })
		p, err := air.NewPeripheral(t.Context(), sim.Lamp())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		h := openHost(t, air.NewController(nil), &host.Config{SMP: &smp.Config{}})
		c, err := h.Connect(t.Context(), p.Address(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := p.ForgetBonds(); err != nil {
			t.Error(err)
		}
		if _, err := h.Connect(t.Context(), p.Address(), nil); !errors.Is(err, hci.StatusKeyMissing) {
			t.Errorf("connected to a device that has lost its bond: %v", err)
		}
	})
}
