//go:build figures

package figures

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/remote"
	"github.com/moor-ble/moor/sim"
)

// Bounds of a proxy beside a local adapter: the time to connect and read, in milliseconds,
// and the processor time of a read.
const (
	proxiedDelay = 30
	proxiedRead  = 0.25
	proxiedRuns  = 5
)

var (
	proxiedService = gatt.UUID16(0x180F)
	proxiedValue   = gatt.UUID16(0x2A19)
)

// besideProxy is a Manager with a local adapter, hci0, and a proxy on the same air, at a port
// of this machine, over Noise.
func besideProxy(t *testing.T) (m *connmgr.Manager, device hci.Addr, proxied string) {
	t.Helper()
	air := sim.New(nil)
	t.Cleanup(func() { air.Close() })
	d := air.NewDevice(&sim.DeviceConfig{
		Address: hci.Addr{MAC: hci.MAC{1, 0, 0, 0, 0, 0xC0}, Kind: hci.AddrRandom},
		Peer:    &sim.RawPeerConfig{Interval: 20 * time.Millisecond}, // so that the dials take about the same time
		Table: sim.NewTable(sim.GenericAttribute(true, true), gatt.ServiceDef{UUID: proxiedService, Characteristics: []gatt.CharDef{
			{UUID: proxiedValue, Properties: gatt.PropRead, Value: []byte{87}},
		}}),
	})
	for _, name := range []string{"hci0", "hci1"} {
		air.NewController(&sim.ControllerConfig{Name: name})
	}
	open := func(cfg connmgr.Config) *connmgr.Manager {
		m, err := connmgr.Open(t.Context(), &cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	local := connmgr.Kind{Open: air.OpenTransport}
	far := open(connmgr.Config{Kinds: []connmgr.Kind{local}, Adapters: []string{"hci1"}})
	key := esphome.NewKey()
	s, err := proxy.New(far, &proxy.Config{Name: "attic", MAC: hci.MAC{1, 0, 0, 0, 0, 2}, Key: &key, Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	proxied = remote.Prefix + l.Addr().String()
	m = open(connmgr.Config{Adapters: []string{"hci0", proxied}, Kinds: []connmgr.Kind{
		local, remote.ESPHome(&remote.Config{Key: func(string) (*esphome.Key, error) { return &key, nil }}),
	}})
	for m.Adapter(proxied).Proxy() == nil || m.Adapter("hci0").Controller() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	return m, d.Address(), proxied
}

// TestProxiedConnect measures the time to connect and read a value through a proxy and on a
// local adapter, by turns.
func TestProxiedConnect(t *testing.T) {
	m, device, proxied := besideProxy(t)
	run := func(adapter string) float64 {
		begin := time.Now()
		c, err := m.Establish(t.Context(), device.String(), &connmgr.Options{Adapter: adapter})
		if err != nil {
			t.Fatal(err)
		}
		if v, err := c.Read(t.Context(), proxiedService, proxiedValue); err != nil || len(v) != 1 {
			t.Fatalf("read %x, %v", v, err)
		}
		took := time.Since(begin)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return float64(took.Microseconds()) / 1000
	}
	var times [2][]float64
	for i := range proxiedRuns + 1 {
		for j, adapter := range []string{"hci0", proxied} {
			if took := run(adapter); i > 0 { // the first one reads the table
				times[j] = append(times[j], took)
			}
		}
	}
	local, far := middle(times[0]), middle(times[1])
	t.Logf("local %.1f ms of %.1f, through the proxy %.1f ms of %.1f", local, times[0], far, times[1])
	figure(t, "ProxiedConnect/local", local, 0, 1e6, "ms")
	figure(t, "ProxiedConnect/proxied", far, 0, 1e6, "ms")
	figure(t, "ProxiedConnect/above-local", max(0, far-local), 0, proxiedDelay, "ms")
}

// TestProxiedRead measures the processor time of a read through a proxy and on a local
// adapter, by turns. That of the proxied one includes both ends of the connection, and all
// include the simulated air.
func TestProxiedRead(t *testing.T) {
	m, device, proxied := besideProxy(t)
	const reads = 200
	run := func(adapter string) float64 {
		c, err := m.Establish(t.Context(), device.String(), &connmgr.Options{Adapter: adapter, KeepParams: true})
		if err != nil {
			t.Fatal(err)
		}
		begin := cpuTime(t)
		for range reads {
			if _, err := c.Read(t.Context(), proxiedService, proxiedValue); err != nil {
				t.Fatal(err)
			}
		}
		spent := cpuTime(t) - begin
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return float64(spent.Microseconds()) / 1000 / reads
	}
	var costs [2][]float64
	for range proxiedRuns {
		for j, adapter := range []string{"hci0", proxied} {
			costs[j] = append(costs[j], run(adapter))
		}
	}
	local, far := middle(costs[0]), middle(costs[1])
	t.Log(strings.TrimSpace(fmt.Sprintf("local %.3f ms of %.3f, through the proxy %.3f ms of %.3f", local, costs[0], far, costs[1])))
	figure(t, "ProxiedRead/local", local*1000, 0, 1e6, "us-cpu")
	figure(t, "ProxiedRead/proxied", far*1000, 0, 1e6, "us-cpu")
	figure(t, "ProxiedRead/above-local", max(0, far-local)*1000, 0, proxiedRead*1000, "us-cpu")
}

// middle returns the median of an odd number of values.
func middle(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
