package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/lab"
)

type bridgeCmd struct {
	Adapter []string
	Listen  placeArg
	Force   bool
}

// placeArg is a place where another stack finds a controller.
type placeArg struct{ lab.Place }

// UnmarshalText reads tcp:HOST:PORT or unix:PATH, or pty or vhci.
func (p *placeArg) UnmarshalText(b []byte) (err error) {
	if p.Place, err = lab.ParsePlace(string(b)); err != nil {
		return errors.New(text.DropPackages(err.Error()))
	}
	return nil
}

func newBridge() *command {
	c := &bridgeCmd{}
	cmd := newCommand(groupHere, "bridge", "Give an adapter to a Bluetooth stack elsewhere, until Ctrl-C.", c.runBridge)
	cmd.args = []arg{{name: "adapter", help: "the adapter, see moor --help", set: (*adapterFlag)(&c.Adapter).Set}}
	cmd.flag("listen", "accept clients at `PLACE`: tcp:HOST:PORT, unix:PATH, or pty", &c.Listen)
	cmd.flags.BoolVar(&c.Force, "force", false, "allow addresses that other machines reach")
	cmd.detail = `Clients speak HCI in the H4 format: moor --adapter tcp:HOST:PORT, Bumble's tcp-client:HOST:PORT, or btattach on the terminal of pty. One client at a time has the adapter, and the adapter is reset when a client has gone. There is no password: everybody who reaches the place can use the adapter, so it is a place of this machine alone without --force; ssh -L carries it to another one.

With --json, there is an object for each event: event is listening, client, left or refused.`
	return cmd
}

// runBridge serves clients until Ctrl-C, which is a regular end.
func (c *bridgeCmd) runBridge(ctx context.Context, a *app) error {
	switch {
	case len(a.Adapters) > 0:
		return usagef("bridge has its adapter as an argument: leave --adapter out")
	case len(c.Adapter) != 1:
		return usagef("bridge serves one adapter: name one")
	case c.Listen.Place == (lab.Place{}):
		return usagef("--listen is missing: write --listen tcp:127.0.0.1:9001, or another place")
	case c.Listen.Kind == lab.PlaceVHCI:
		return usagef("--listen: an adapter is no place for vhci, which Linux has already: write tcp:HOST:PORT, unix:PATH or pty")
	case !c.Listen.IsLocal() && !c.Force:
		return usagef("--listen: everybody who reaches %v can use the adapter: listen at tcp:127.0.0.1:PORT or unix:PATH, or add --force", c.Listen.Place)
	}
	port, err := lab.Listen(ctx, c.Listen.Place)
	if err != nil {
		return err
	}
	adapter := c.Adapter[0]
	first, err := a.openTransport(ctx, adapter)
	if err != nil {
		return errors.Join(err, port.Close())
	}
	capture, err := a.openCapture(ctx)
	if err != nil {
		return errors.Join(err, port.Close(), first.Close())
	}
	if !c.Listen.IsLocal() {
		a.printError(fmt.Sprintf("there is no password, and everybody who reaches %v can use the adapter", c.Listen.Place), "")
	}
	v, end := newLabView(a, true)
	defer end()
	cfg := &lab.Config{Reset: true, Capture: snoopPackets(a, capture), Event: func(e lab.Event) { v.showClient(adapter, e) }}
	// Clients come one after the other: the adapter of the first is open already, so that
	// an adapter that does not work shows now.
	cfg.Open = func(ctx context.Context) (hci.Transport, error) {
		if tr := first; tr != nil {
			first = nil
			return tr, nil
		}
		return a.openTransport(ctx, adapter)
	}
	err = port.Serve(ctx, cfg)
	if first != nil {
		err = errors.Join(err, first.Close())
	}
	return a.closeCapture(capture, err)
}

// snoopPackets returns the function that writes packets to a capture; nil without one.
func snoopPackets(a *app, to *capture) func(time.Time, bool, []byte) error {
	if to == nil {
		return nil
	}
	w := hci.NewSnoop(to.writer())
	if a.SnoopKeys {
		w = hci.NewSnoopWithKeys(to.writer())
	}
	return w.Packet
}
