package simreport

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// moorContender is this module's connection manager with its default policy and
// options, but without the scan in the background: neither contender scans.
type moorContender struct{ m *connmgr.Manager }

// Open implements contender.
func (w *moorContender) Open(ctx context.Context, adapters []*sim.Controller, rssi [][]int8) error {
	cfg := &connmgr.Config{DisableScan: true}
	byName := map[string]*sim.Controller{}
	var heard []connmgr.Device
	for a, c := range adapters {
		name := fmt.Sprintf("hci%d", a)
		byName[name], cfg.Adapters = c, append(cfg.Adapters, name)
		for n, v := range rssi[a] {
			heard = append(heard, connmgr.Device{
				Addr: address(n), Adapter: name, RSSI: int(v), Smoothed: int(v), Connectable: true, Seen: time.Now(),
			})
		}
	}
	cfg.Kinds = []connmgr.Kind{{Open: func(_ context.Context, name string) (hci.Transport, error) { return byName[name].Plug(), nil }}}
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	w.m = m
	for _, a := range m.Adapters() {
		for a.Controller() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	m.RestoreDiscoveries(heard)
	return nil
}

// Connect implements contender.
func (w *moorContender) Connect(ctx context.Context, target int) (func(), error) {
	c, err := w.m.Establish(ctx, address(target).String(), nil)
	if err != nil {
		return nil, err
	}
	return func() { _ = c.Close() }, nil
}

// Close implements contender.
func (w *moorContender) Close() error { return w.m.Close() }
