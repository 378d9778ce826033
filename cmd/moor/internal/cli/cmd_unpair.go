package cli

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/hci"
)

type unpairCmd struct{ Addr peerArg }

func newUnpair() *command {
	c := &unpairCmd{}
	cmd := newCommand(groupPeer, "unpair", "Remove the bond with the device.", c.runUnpair)
	cmd.detail = "The bond is removed on this host, for every adapter; the device keeps its own. No adapter is needed. A command that is already running keeps using its keys."
	cmd.word("addr", "the device's address, such as C0:FF:EE:00:00:01/random", &c.Addr)
	return cmd
}

// jsonUnpaired is the output of unpair --json for each bond.
type jsonUnpaired struct {
	Address hci.Addr `json:"address"`
	Local   hci.Addr `json:"local"`
}

func (c *unpairCmd) runUnpair(_ context.Context, a *app) error {
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
