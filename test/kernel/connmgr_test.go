//go:build kernel

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/test/conntest"
)

// The tests below run the connection manager in this process.

func TestManagerBlueZ(t *testing.T) {
	startControllers(t, 2)
	// Before bluetoothd starts: version 5.66 was seen to crash when an adapter goes
	// away right after it came.
	m := conntest.Open(t, "hci0")
	startBus(t)
	_, stop := startBlueZ(t)
	peer := startServer(t, "")
	m.Run(t, &conntest.Peer{
		Address: peerAddress + "/public",
		Service: conntest.UUID(t, serviceUUID), Scratch: conntest.UUID(t, scratchUUID), Values: conntest.UUID(t, valuesUUID),
		Initial: []byte{1, 2, 3, 4},
		Ready:   func(t *testing.T) { peer.ready(t) },
		Notify:  func(t *testing.T) { peer.notify(t) },
		Restart: func(*testing.T) { // for the rest of the test, not for the step alone
			peer.stop()
			stop()
			_, stop = startBlueZ(t)
			peer = startServer(t, "0x0080")
		},
		Change: func(t *testing.T) {
			peer.withdraw(t)
			peer.offer(t, "0x0100")
		},
	})
}

// TestManagerClosesStaleLink has three controllers: hci0 is that of the manager,
// hci1 that of bluetoothd, and hci2 is a device, which does not advertise while
// bluetoothd has a link to it.
func TestManagerClosesStaleLink(t *testing.T) {
	startControllers(t, 3)
	m := conntest.Open(t, "hci0")
	device := startDevice(t, "hci2")
	address := device.Controller().Info().Public.String()
	startBus(t)
	blue, _ := startBlueZ(t)
	blue.hears(t, device, address)
	blue.say(t, "connect "+address, "Connection successful")
	blue.say(t, "scan off", "Discovery stopped")
	links := func() []hcisock.KernelLink {
		t.Helper()
		all, err := hcisock.Links(1)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := links(); len(all) != 1 || all[0].Kind != hcisock.LinkLE || all[0].MAC.String() != address {
		t.Fatalf("hci1 has the links %+v, want one to %s", all, address)
	}
	stale, err := device.Accept(conntest.Within(t))
	if err != nil {
		t.Fatal(err)
	}

	if c, err := m.Establish(conntest.Within(t), address+"/public", &connmgr.Options{MaxAttempts: 1, Timeout: 15 * time.Second}); err == nil {
		c.Close()
		t.Fatal("a device that is connected elsewhere was connected to")
	}
	// There is no link to this address.
	if err := m.CloseStale(conntest.Within(t), ourAddress, false); err != nil || len(links()) != 1 {
		t.Fatalf("the wrong address left the links %+v, %v", links(), err)
	}
	if err := m.CloseStale(conntest.Within(t), address, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the kernel has no link", func() bool { return len(links()) == 0 })
	select {
	case <-stale.Done():
	case <-conntest.Within(t).Done():
		t.Fatal("the device still has the link")
	}
	if err := stale.Err(); !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("the device lost the link with %v, want remote user terminated", err)
	}
	read(t, m, address+"/public")
	blue.expect(t, 0, "Connected: no")
}

// TestManagerAdapterComesBack takes the adapter away under a link. It comes back
// with another index.
func TestManagerAdapterComesBack(t *testing.T) {
	air := sim.New(nil)
	t.Cleanup(func() { _ = air.Close() })
	controller := air.NewController(nil)
	device, err := air.NewPeripheral(conntest.Within(t), &sim.PeripheralConfig{Services: services(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = device.Close() })
	address := device.Address().String()

	first, unplug := plug(t, controller.Plug())
	m := conntest.Open(t, first)
	mac := m.Adapter(first).Controller().Info().Public
	ended := make(chan error, 1)
	c, err := m.Establish(conntest.Within(t), address, &connmgr.Options{
		Disconnected: func(_ *connmgr.Client, err error) { ended <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	unplug()
	select {
	case err := <-ended:
		if !errors.Is(err, unix.EPIPE) || !strings.Contains(err.Error(), first+": read: the adapter is gone") {
			t.Errorf("the link ended with %v, want that %s is gone", err, first)
		}
	case <-conntest.Within(t).Done():
		t.Fatal("the link outlives its adapter")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	soon := connmgr.DefaultPolicy()
	soon.AdapterTimeout = time.Second
	if _, err := m.Establish(conntest.Within(t), address, &connmgr.Options{Policy: &soon}); !errors.Is(err, connmgr.ErrNoAdapter) {
		t.Errorf("without an adapter: %v, want %v", err, connmgr.ErrNoAdapter)
	}
	reconnected := make(chan error, 1)
	go func() { // while the adapter is away
		c, err := m.Establish(conntest.Within(t), address, &connmgr.Options{Adapter: first, MaxAttempts: -1})
		if err == nil {
			err = c.Close()
		}
		reconnected <- err
	}()

	// Another adapter gets its index.
	plugAs(t, first, air.NewController(nil))
	second, _ := plug(t, controller.Plug())
	if second == first {
		t.Fatalf("two adapters are %s", first)
	}
	eventually(t, "the adapter is back", func() bool { return m.Adapter(first).Controller() != nil })
	if now := m.Adapter(first).Controller().Info().Public; now != mac {
		t.Errorf("the manager has the adapter %v, want %v", now, mac)
	}
	if err := <-reconnected; err != nil {
		t.Errorf("the connect that began without the adapter: %v", err)
	}
	read(t, m, address)
}

// plug gives a simulated controller to the kernel as an adapter, until the test
// ends or unplug is called.
func plug(t *testing.T, tr hci.Transport) (name string, unplug func()) {
	t.Helper()
	f, err := os.OpenFile("/dev/vhci", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	const vendor, plain = 0xFF, 0x00
	if _, err := f.Write([]byte{vendor, plain}); err != nil {
		t.Fatal(err)
	}
	made := make(chan string, 1)
	var ends sync.WaitGroup
	ends.Go(func() { // from the host
		b := make([]byte, hci.MaxPacketLen)
		for {
			n, err := f.Read(b)
			if err != nil {
				return
			}
			if r := wire.NewReader(b[:n]); r.U8() == vendor {
				r.Skip(1)
				made <- fmt.Sprintf("hci%d", r.U16())
			} else if tr.WritePacket(b[:n]) != nil {
				return
			}
		}
	})
	ends.Go(func() { // from the controller
		b := make([]byte, hci.MaxPacketLen)
		for {
			n, err := tr.ReadPacket(b)
			if err != nil {
				return
			}
			if _, err := f.Write(b[:n]); err != nil {
				return
			}
		}
	})
	unplug = sync.OnceFunc(func() {
		_ = f.Close()
		_ = tr.Close()
		ends.Wait()
	})
	t.Cleanup(unplug)
	select {
	case name = <-made:
	case <-conntest.Within(t).Done():
		t.Fatal("the kernel makes no adapter")
	}
	return name, unplug
}

// startDevice makes an adapter a peripheral with one readable characteristic.
func startDevice(t *testing.T, adapter string) *host.Host {
	t.Helper()
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: services(t)})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := hcisock.Open(conntest.Within(t), adapter, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(conntest.Within(t), tr, &host.Config{Server: srv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() }) // its adapter may be gone
	conntest.Advertise(t, h)
	return h
}

// services returns a service with one readable characteristic.
func services(t *testing.T) []gatt.ServiceDef {
	t.Helper()
	return []gatt.ServiceDef{{UUID: conntest.UUID(t, serviceUUID), Characteristics: []gatt.CharDef{
		{UUID: conntest.UUID(t, scratchUUID), Properties: gatt.PropRead, Value: []byte{1, 2, 3, 4}},
	}}}
}

// read connects to a device with these services and reads the characteristic.
func read(t *testing.T, m *conntest.Manager, address string) {
	t.Helper()
	c, err := m.Establish(conntest.Within(t), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Read(conntest.Within(t), conntest.UUID(t, serviceUUID), conntest.UUID(t, scratchUUID)); err != nil || string(v) != "\x01\x02\x03\x04" {
		t.Errorf("read % x, %v", v, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
