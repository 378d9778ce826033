//go:build kernel

package kernel

import (
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/test/conntest"
)

// TestManagerResetsUSBPort has a dongle whose controller hangs until its port is reset: the
// driver of the kernel cannot bring it up, and the manager climbs to that.
func TestManagerResetsUSBPort(t *testing.T) {
	air := sim.New(nil)
	t.Cleanup(func() { _ = air.Close() })
	central := air.NewController(nil)
	device, err := air.NewPeripheral(conntest.Within(t), &sim.PeripheralConfig{Services: services(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = device.Close() })

	stick := plugDongle(t, central)
	before := awaitDongle(t)
	if before.Driver != "btusb" || before.USB.VendorID != 0x1209 || before.USB.ProductID != 1 {
		t.Fatalf("the dongle is the adapter %+v", before)
	}
	m, err := connmgr.Open(conntest.Within(t), &connmgr.Config{
		Adapters: []string{before.Name}, StateDir: t.TempDir(),
		Host: host.Config{HCI: controller.Config{CommandTimeout: 2 * time.Second, IdleCheck: 5 * time.Second}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	a := m.Adapter(before.Name)
	eventually(t, "the dongle hears the device", func() bool { return a.HasScanned() })
	read(t, &conntest.Manager{Manager: m}, device.Address().String())

	events := m.Events(conntest.Within(t))
	begin := time.Now()
	central.HangUntil(sim.CureUSBReset)
	var rungs []string
	for ev := range events {
		switch ev := ev.(type) {
		case connmgr.AdapterChanged:
			t.Logf("%v: %v: %v", time.Since(begin).Round(time.Millisecond), ev.State, ev.Err)
		case connmgr.RungTaken:
			t.Logf("%v: %v: %v", time.Since(begin).Round(time.Millisecond), ev.Rung, ev.Err)
			rungs = append(rungs, ev.Rung.String())
			if (ev.Err != nil) != (ev.Rung == connmgr.RungPowerCycle) {
				t.Errorf("%v ended with %v", ev.Rung, ev.Err)
			}
		}
		if len(rungs) == 3 && a.Controller() != nil {
			break
		}
	}
	if want := []string{"power cycle", "power cycle", "USB reset"}; !slices.Equal(rungs, want) {
		t.Errorf("rungs %q, want %q; %+v", rungs, want, a.Recovery())
	}
	if n := stick.configurations(); n != 2 {
		t.Errorf("the dongle was configured %d times, want twice", n)
	}
	after := awaitDongle(t)
	if after.MAC != before.MAC || after.USB != before.USB {
		t.Errorf("the dongle is %+v after the reset, was %+v", after, before)
	}
	t.Logf("%s is %s after the reset", before.Name, after.Name)
	read(t, &conntest.Manager{Manager: m}, device.Address().String())
}

// awaitDongle waits until the kernel has set up the dongle.
func awaitDongle(t *testing.T) (found hcisock.Adapter) {
	t.Helper()
	eventually(t, "the dongle is an adapter", func() bool {
		list, err := hcisock.Adapters()
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(a hcisock.Adapter) bool { return isDongle(a.USB.Port) && a.MAC != hci.MAC{} })
		if i >= 0 {
			found = list[i]
		}
		return i >= 0
	})
	return found
}
