package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

type unpairCmd struct{ Addr peerArg }

func newUnpair() *command {
	c := &unpairCmd{}
	cmd := newCommand(groupPeer, "unpair", "Remove the bond with the device.", c.runUnpair)
	cmd.detail = "The bond is removed on this host, for every adapter; the device keeps its own. No adapter is needed. A command that is already running keeps using its keys.\n\n" +
		"A Bluetooth proxy keeps its bonds itself: with --adapter esphome:HOST, the bond is removed there, and not on this host."
	cmd.word("addr", "the device's address, such as C0:FF:EE:00:00:01/random", &c.Addr)
	return cmd
}

// jsonUnpaired is the output of unpair --json for each bond.
type jsonUnpaired struct {
	Address hci.Addr `json:"address"`
	Local   hci.Addr `json:"local"`
}

func (c *unpairCmd) runUnpair(ctx context.Context, a *app) error {
	if a.namesProxies() {
		return c.unpairByProxies(ctx, a)
	}
	stores, err := a.openBonds()
	if err != nil {
		return err
	}
	found := append(findBonds(stores, c.Addr), damagedBonds(stores, c.Addr)...)
	if len(found) == 0 {
		return fmt.Errorf("%s: %w", c.Addr, errNoBond)
	}
	for _, b := range found {
		if err := b.store.Remove(b.Peer); err != nil {
			return err
		}
		local := b.store.Identity().Addr
		if a.JSON {
			a.out.json(jsonUnpaired{b.Peer, local})
			continue
		}
		a.out.printf("bond with %s removed, of adapter %s\n", b.Peer, local)
	}
	return nil
}

// namesProxies reports whether the command line names adapters, all of them proxies.
func (a *app) namesProxies() bool {
	for _, name := range a.Adapters {
		if !strings.HasPrefix(name, proxyPrefix) {
			return false
		}
	}
	return len(a.Adapters) > 0
}

// jsonUnpairedByProxy is the output of unpair --json for each proxy.
type jsonUnpairedByProxy struct {
	Address hci.MAC `json:"address"`
	Adapter string  `json:"adapter"`
}

// unpairByProxies has the proxies of the command line remove their bonds.
func (c *unpairCmd) unpairByProxies(ctx context.Context, a *app) error {
	return a.withManager(ctx, air{}, func(m *connmgr.Manager) error {
		awaitAdapters(ctx, m)
		for _, adapter := range m.Adapters() {
			p := adapter.Proxy()
			if p == nil {
				_, err := adapter.State()
				return fmt.Errorf("%s: the proxy is not reached: %w", adapter.Name(), err)
			}
			if err := p.Unpair(ctx, c.Addr.Addr.MAC); err != nil {
				return err
			}
			if a.JSON {
				a.out.json(jsonUnpairedByProxy{c.Addr.Addr.MAC, adapter.Name()})
				continue
			}
			a.out.printf("bond with %s removed by %s\n", c.Addr.Addr.MAC, adapter.Name())
		}
		return nil
	})
}
