package simreport

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// moorContender is this module's connection manager as a program has it that sets
// nothing: default policy and options, and no knowledge of the devices.
type moorContender struct{ m *connmgr.Manager }

// Open implements contender.
func (w *moorContender) Open(ctx context.Context, adapters []*sim.Controller, _ [][]int8) error {
	cfg, byName := &connmgr.Config{}, map[string]*sim.Controller{}
	for a, c := range adapters {
		name := fmt.Sprintf("hci%d", a)
		byName[name], cfg.Adapters = c, append(cfg.Adapters, name)
	}
	cfg.Kinds = []connmgr.Kind{{Open: func(_ context.Context, name string) (hci.Transport, error) { return byName[name].Plug(), nil }}}
	var err error
	w.m, err = connmgr.Open(ctx, cfg)
	return err
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
