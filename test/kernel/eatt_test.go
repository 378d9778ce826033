//go:build kernel

package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
)

// enableECRED allows the enhanced credit-based mode in the kernel, which is off by
// default, until the end of the test. bluetoothd asks for it when it starts.
func enableECRED(t *testing.T) {
	t.Helper()
	const file = "/sys/module/bluetooth/parameters/enable_ecred"
	if err := os.WriteFile(file, []byte("Y"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, []byte("N"), 0); err != nil {
			t.Error(err)
		}
	})
}

// eattChannels is the number of ATT channels of bluetoothd, the fixed one among them.
const eattChannels = 4

// openEATT opens a host on hci0 whose packets are in a capture.
func openEATT(t *testing.T, name string, cfg *host.Config) *host.Host {
	t.Helper()
	tr, err := hcisock.Open(conntest.Within(t), "hci0", nil)
	if err != nil {
		t.Fatal(err)
	}
	capture, err := os.Create(filepath.Join(os.Getenv("MOOR_LOGS"), name+".btsnoop"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.HCI = controller.Config{Snoop: capture}
	h, err := host.Open(conntest.Within(t), tr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		_ = capture.Close()
	})
	return h
}

// TestEATTToBlueZ opens enhanced bearers to bluetoothd's server, and reads and writes
// over all of them at a time.
func TestEATTToBlueZ(t *testing.T) {
	enableECRED(t)
	startAir(t)
	startBus(t)
	s, _ := startBlueZ(t, fmt.Sprintf("[GATT]\nChannels = %d\n", eattChannels))
	b := &bonder{shell: s}
	b.forgets(t)
	b.say(t, "pairable on", "Changing pairable on succeeded")
	startServer(t, "")
	b.can(t, "NoInputNoOutput")
	h := openEATT(t, "eatt-to-bluez", &host.Config{SMP: &smp.Config{}})
	peer := mustParse(t, peerAddress+"/public")
	c, err := h.Connect(conntest.Within(t), peer, nil)
	if err != nil {
		t.Fatal(err)
	}
	paired := make(chan error, 1)
	go func() { _, err := c.SMP().Pair(conntest.Within(t), nil); paired <- err }()
	b.accepts(t)
	if err := <-paired; err != nil {
		t.Fatal(err)
	}
	g := c.GATT()
	if _, err := g.ExchangeMTU(conntest.Within(t)); err != nil {
		t.Fatal(err)
	}
	n, err := g.Enhance(conntest.Within(t), 3)
	t.Logf("%d enhanced bearers, %v; MTU %d, least %d", n, err, g.MTU(), c.Bearer().LeastMTU())
	if n != 3 || err != nil {
		t.Fatalf("%d enhanced bearers, want 3: %v", n, err)
	}
	useBearers(t, g)
	if err := c.Bearer().EnhancedErr(); err != nil || c.Bearer().EnhancedBearers() != 3 {
		t.Errorf("%d enhanced bearers are left: %v", c.Bearer().EnhancedBearers(), err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func mustParse(t *testing.T, address string) hci.Addr {
	t.Helper()
	a, err := hci.ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// useBearers reads and writes from several goroutines.
func useBearers(t *testing.T, g *gatt.Client) {
	t.Helper()
	ctx := conntest.Within(t)
	svc := conntest.UUID(t, serviceUUID)
	scratch, err := g.Char(ctx, svc, conntest.UUID(t, scratchUUID))
	if err != nil {
		t.Fatal(err)
	}
	long, err := g.Char(ctx, svc, conntest.UUID(t, longUUID))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				if v, err := long.Read(ctx); err != nil || len(v) != 180 {
					t.Errorf("reader %d: %d octets, %v", i, len(v), err)
					return
				}
			}
		})
	}
	for v := range byte(10) {
		if err := scratch.Write(ctx, []byte{v, v}); err != nil {
			t.Fatal(err)
		}
		if got, err := scratch.Read(ctx); err != nil || !bytes.Equal(got, []byte{v, v}) {
			t.Errorf("read % x after the write of %d, %v", got, v, err)
		}
	}
	wg.Wait()
}

// TestEATTFromBlueZ lets bluetoothd open enhanced bearers to this side's server. It does
// so on links to devices with a bond that it has when it starts.
func TestEATTFromBlueZ(t *testing.T) {
	enableECRED(t)
	startAir(t)
	startBus(t)
	conf := fmt.Sprintf("[GATT]\nChannels = %d\n", eattChannels)
	s, stop := startBlueZ(t, conf)
	b := &bonder{shell: s}
	b.forgets(t)
	b.say(t, "pairable on", "Changing pairable on succeeded")
	b.can(t, "NoInputNoOutput")
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{
		UUID: conntest.UUID(t, serviceUUID), Characteristics: []gatt.CharDef{
			{UUID: conntest.UUID(t, scratchUUID), Properties: gatt.PropRead | gatt.PropWrite, Value: []byte{0x5a, 0xa5}, MaxLen: 20},
			{UUID: conntest.UUID(t, valuesUUID), Properties: gatt.PropRead | gatt.PropNotify | gatt.PropIndicate, Value: []byte{1}, MaxLen: 20},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	h := openEATT(t, "eatt-from-bluez", &host.Config{Server: srv, SMP: &smp.Config{}})
	conntest.Advertise(t, h)
	b.hears(t, h, ourAddress)
	b.say(t, "pair "+ourAddress, "Pairing successful")
	b.say(t, "disconnect "+ourAddress, "Connected: no")
	stop()
	s, _ = startBlueZ(t, conf)
	s.hears(t, h, ourAddress)
	s.say(t, "connect "+ourAddress, "Connection successful")
	var c *host.Conn
	eventually(t, "bluetoothd has opened enhanced bearers", func() bool {
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			n, err := h.Accept(ctx)
			cancel()
			if err != nil {
				break
			}
			c = n
		}
		return c != nil && c.Err() == nil && c.Bearer().AllEnhanced() > 0
	})
	// bluetoothd enables Service Changed and reads the Database Hash on its bearers at once.
	// It ends the link if an answer comes on another one.
	time.Sleep(10 * time.Second)
	if n := c.Bearer().AllEnhanced(); n != eattChannels-1 || c.Err() != nil {
		t.Errorf("%d enhanced bearers are left, link %v", n, c.Err())
	}
}
