package connmgr_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// TestCloseStaleGoesOn: a link that cannot be ended, and kinds that fail, keep CloseStale
// from nothing else.
func TestCloseStaleGoesOn(t *testing.T) { inBubble(t, testCloseStaleGoesOn) }

func testCloseStaleGoesOn(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	broken := map[string]error{"a:": errors.New("a is broken"), "b:": errors.New("b is broken")}
	controllers := map[string]*sim.Controller{"a:": air.NewController(nil), "b:": air.NewController(nil)}
	cfg := connmgr.Config{Adapters: []string{"a:0", "b:0"}}
	asked := map[string]int{}
	for prefix, ctl := range controllers {
		cfg.Kinds = append(cfg.Kinds, connmgr.Kind{
			Prefix: prefix,
			Open:   func(context.Context, string) (hci.Transport, error) { return ctl.Plug(), nil },
			CloseLinks: func(context.Context, string, string) error {
				asked[prefix]++
				return broken[prefix]
			},
		})
	}
	m, err := connmgr.Open(t.Context(), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	time.Sleep(second)
	// One address with both kinds: two devices, and a link to each.
	mac := address(1).MAC
	var clients []*connmgr.Client
	for adapter, kind := range map[string]hci.AddrKind{"a:0": hci.AddrPublic, "b:0": hci.AddrRandom} {
		twin := sim.PeripheralConfig{Name: "twin", Address: hci.Addr{MAC: mac, Kind: kind}}
		if kind == hci.AddrPublic {
			twin.Address, twin.Controller = hci.Addr{}, &sim.ControllerConfig{Address: mac}
		}
		p, err := air.NewPeripheral(t.Context(), &twin)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		c, err := m.Establish(t.Context(), hci.Addr{MAC: mac, Kind: kind}.String(), &connmgr.Options{Adapter: adapter})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	controllers["a:"].Fault(sim.CommandFault{Opcode: hci.OpDisconnect, Times: 1, Status: hci.StatusCommandDisallowed})
	err = m.CloseStale(t.Context(), mac.String(), false)
	for _, want := range []error{broken["a:"], broken["b:"], hci.StatusCommandDisallowed} {
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v among the errors", err, want)
		}
	}
	for _, c := range clients {
		if up := c.Err() == nil; up != (c.Adapter() == "a:0") {
			t.Errorf("the link on %s is up: %v", c.Adapter(), up)
		}
	}
	if asked["a:"] != 1 || asked["b:"] != 1 {
		t.Errorf("kinds were asked %v, want each once", asked)
	}
}

// TestClearCacheOnAFailingDisk: the result is false, and nothing else happens.
func TestClearCacheOnAFailingDisk(t *testing.T) { inBubble(t, testClearCacheOnAFailingDisk) }

func testClearCacheOnAFailingDisk(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, connmgr.Config{StateDir: dir})
	l.device(1)
	l.establish(1, nil).Close()
	files, err := filepath.Glob(filepath.Join(dir, "tables", "peers", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v: want the table of one device", files, err)
	}
	// A directory that is not empty can neither be read nor removed as a file.
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(files[0], "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if l.m.ClearCache(address(1).String()) {
		t.Error("a table was cleared that cannot be")
	}
	c := l.establish(1, nil)
	l.wantLevel(c, 1)
	c.Close()
}

// TestLookupOfAConnectedDevice: the adapter of the link has precedence, even if it knows
// no signal strength.
func TestLookupOfAConnectedDevice(t *testing.T) { inBubble(t, testLookupOfAConnectedDevice) }

func testLookupOfAConnectedDevice(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true}, nil, nil)
	l.device(1)
	l.m.RestoreDiscoveries([]connmgr.Device{
		{Addr: address(1), Adapter: "hci0", RSSI: -30, Smoothed: -30, Seen: time.Now()},
		{Addr: address(1), Adapter: "hci1", RSSI: connmgr.NoRSSI, Smoothed: connmgr.NoRSSI, Seen: time.Now()},
	})
	c := l.establish(1, &connmgr.Options{Adapter: "hci1"})
	d, ok := l.m.Device(address(1).String())
	if !ok || d.Adapter != "hci1" || d.RSSI != connmgr.NoRSSI {
		t.Errorf("connected: %v, %v with %d dBm, want that of hci1", ok, &d, d.RSSI)
	}
	if all := l.m.Devices(); len(all) != 2 {
		t.Errorf("%d entries, want that of each adapter", len(all))
	}
	c.Close()
	if d, ok = l.m.Device(address(1).String()); !ok || d.Adapter != "hci0" {
		t.Errorf("without the link: %v, %v, want that of hci0", ok, &d)
	}
}

// TestDeviceSource: the source of a device is the whole name of the adapter that hears it,
// with two digits as well, and nothing for a device that the program has named.
func TestDeviceSource(t *testing.T) { inBubble(t, testDeviceSource) }

func testDeviceSource(t *testing.T) {
	l := newLab(t, connmgr.Config{}, make([]*sim.ControllerConfig, 11)...)
	p := l.device(1)
	for i, a := range l.adapters {
		if i != 1 && i != 10 {
			l.air.SetPath(a, p.Controller(), sim.Path{Loss: 1})
		}
	}
	l.air.SetPath(l.adapters[10], p.Controller(), sim.Path{RSSI: -30})
	time.Sleep(5 * second)
	d, ok := l.m.Device(address(1).String())
	if !ok || d.Source() != "hci10" || !strings.HasSuffix(d.String(), " -> hci10") {
		t.Errorf("heard by %q: %v, want hci10", d.Source(), &d)
	}
	for _, adapter := range []string{"hci1", "hci10"} {
		if d, ok := l.m.DeviceByAdapter(address(1).String(), adapter); !ok || d.Source() != adapter {
			t.Errorf("as %s knows it: %v, %v", adapter, ok, &d)
		}
	}
	if d, ok := l.m.DeviceByAdapter(address(1).String(), "hci0"); ok {
		t.Errorf("hci0, which hears nothing, has %v", &d)
	}
	if named := (connmgr.Device{Addr: address(1)}); named.Source() != "" {
		t.Errorf("a device that nothing has heard has the source %q", named.Source())
	}
	c := l.establish(1, nil)
	if c.Adapter() != "hci10" {
		t.Errorf("connected through %s", c.Adapter())
	}
	c.Close()
}
