package host_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// TestCentralAddressResolution has a peripheral read whether the central resolves private
// addresses, as it must before it directs its advertising to one (Vol 3, Part C, 12.4).
func TestCentralAddressResolution(t *testing.T) {
	for _, c := range []struct {
		name    string
		ctl     *sim.ControllerConfig
		smp     *smp.Config
		present bool
	}{
		{"resolving list", nil, &smp.Config{}, true},
		{"no resolving list", &sim.ControllerConfig{ResolvingListSize: -1}, &smp.Config{}, false},
		{"no bonds", nil, nil, false},
		// The controller does not resolve addresses that are made with the key of this host.
		{"private addresses of this host", nil, &smp.Config{Privacy: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				air := sim.New(&sim.Config{Seed: 1})
				defer air.Close()
				central := openHost(t, air.NewController(c.ctl), &host.Config{SMP: c.smp})
				p := openHost(t, air.NewController(nil), nil)
				if err := p.Advertise(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				if _, err := central.Connect(t.Context(), p.Controller().Info().Address, nil); err != nil {
					t.Fatal(err)
				}
				conn, err := p.Accept(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				v, err := conn.GATT().Read(t.Context(), gatt.UUID16(0x1800), gatt.UUID16(0x2AA6))
				switch {
				case c.present && (err != nil || len(v) != 1 || v[0] != 1):
					t.Errorf("read [% x], %v; want 01", v, err)
				case !c.present && !errors.Is(err, gatt.ErrNotFound):
					t.Errorf("read [% x], %v; want no such characteristic", v, err)
				}
			})
		})
	}
}
