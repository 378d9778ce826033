package sim_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// TestAirOpenTransport has a manager on two adapters of an air: one that is
// there, and one that is made when it is asked for.
func TestAirOpenTransport(t *testing.T) { synctest.Test(t, testAirOpenTransport) }

func testAirOpenTransport(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	device, err := air.NewPeripheral(t.Context(), &sim.PeripheralConfig{}) // by default its controller is called hci0
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	named := air.NewController(&sim.ControllerConfig{Name: "near"})
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"near", "hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	synctest.Wait()
	up := func(name string) hci.MAC {
		t.Helper()
		ctl := m.Adapter(name).Controller()
		if ctl == nil {
			_, err := m.Adapter(name).State()
			t.Fatalf("%s is not up: %v", name, err)
		}
		return ctl.Info().Public
	}
	if got := up("near"); got != named.Address().MAC {
		t.Errorf("near is %v, want the controller of that name, %v", got, named.Address().MAC)
	}
	first := up("hci0")
	if first == named.Address().MAC || first == device.Address().MAC || device.Host().Err() != nil {
		t.Errorf("hci0 is %v, want a controller of its own; the device has %v", first, device.Host().Err())
	}
	// It is the same one for the next host.
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	tr, err := air.OpenTransport(t.Context(), "hci0")
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(t.Context(), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if got := h.Controller().Info().Public; got != first {
		t.Errorf("hci0 is %v later, want %v", got, first)
	}
	c, err := h.Connect(t.Context(), device.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestAirOpenTransportClosed(t *testing.T) {
	air := sim.New(nil)
	air.Close()
	if _, err := air.OpenTransport(t.Context(), "hci0"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want that the air is closed", err)
	}
}

func TestOpenTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"sim:sensors?seed=3"}, Kinds: []connmgr.Kind{{Prefix: "sim:", Open: sim.OpenTransport}}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c, err := m.Establish(t.Context(), "C0:FF:EE:00:00:01", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
	for address, want := range map[string]string{
		"hci0":       `sim: "hci0" is no simulated adapter: want sim:SCENARIO`,
		"sim:nosuch": `no scenario "nosuch"`,
	} {
		if _, err := sim.OpenTransport(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
}
