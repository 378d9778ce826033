package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// kinds returns the kinds of adapters that the command line can name: those that the
// environment opens, or else HCI controllers,
// simulated air and proxies.
func (a *app) kinds() []connmgr.Kind {
	if a.env.Open != nil {
		return []connmgr.Kind{{Open: a.env.Open}}
	}
	return append([]connmgr.Kind{
		connmgr.HCI(&hcisock.Config{Logger: a.log}),
		{Prefix: "sim:", Open: a.openSimulated},
	}, a.proxyKinds()...)
}

// openTransport opens the adapter at address.
func (a *app) openTransport(ctx context.Context, address string) (hci.Transport, error) {
	k, err := connmgr.KindOf(a.kinds(), address)
	if err != nil {
		return nil, err
	}
	return k.Open(ctx, address)
}

// adapterNames returns the adapters to use: those of the command line, or else
// every adapter of the kernel that no other process uses. If there is none, the
// error says why.
func (a *app) adapterNames() (names []string, err error) {
	if len(a.Adapters) > 0 {
		return a.Adapters, nil
	}
	list, err := a.env.listAdapters()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNoAdapter
	}
	free, err := hcisock.Unclaimed(list, hcisock.Links)
	for i := range free {
		names = append(names, free[i].Name)
	}
	return names, err
}

var errNoAdapter = errors.New("there is no Bluetooth adapter on this machine")

// air holds a command's use of the adapters.
type air struct {
	adapters []string // instead of those of the command line; nil keeps these
	listen   bool     // scan all the time, not only for a device to connect to
	passive  bool     // scan passively
	silent   bool     // the command itself shows the manager's progress
	pairing  smp.Config
}

// withManager runs f with a connection manager, which it closes afterwards.
func (a *app) withManager(ctx context.Context, on air, f func(m *connmgr.Manager) error) error {
	names := on.adapters
	if names == nil {
		var err error
		if names, err = a.adapterNames(); err != nil {
			return err
		}
	}
	// A capture is of one controller.
	if a.Snoop != "" && len(a.Adapters) == 0 {
		names = names[:1]
	}
	if a.Snoop != "" && len(names) > 1 {
		return usagef("--snoop captures the packets of one adapter: name one with --adapter")
	}
	if stay := a.repairState(a.stateDir()); slices.ContainsFunc(stay, blocksAll) {
		return errors.Join(stay...)
	}
	capture, err := a.openCapture(ctx)
	if err != nil {
		return err
	}
	stop := callLater(func() { a.note("starting %s", strings.Join(names, ", ")) })
	m, err := connmgr.Open(ctx, a.managerConfig(on, names, capture))
	stop()
	if err != nil {
		return a.closeCapture(capture, err)
	}
	shown := a.showProgress(m, on.silent)
	err = f(m)
	if closed := a.showUnsaved(m.Close()); err == nil {
		err = closed
	}
	<-shown
	return a.closeCapture(capture, err)
}

// showUnsaved shows that the devices heard could not be stored, which is no error of a
// command that has done its work. It returns any other err.
func (a *app) showUnsaved(err error) error {
	if _, ok := errors.AsType[*connmgr.StateError](err); !ok {
		return err
	}
	a.printError(message(err), advice(err))
	return nil
}

// blocksAll reports whether a damaged file concerns all adapters: it is not the identity
// of one.
func blocksAll(err error) bool { return !errors.Is(err, smp.ErrIdentityDamaged) }

func (a *app) managerConfig(on air, names []string, to *capture) *connmgr.Config {
	on.pairing.DisableIncoming, on.pairing.Logger, on.pairing.Privacy = true, a.log, a.Privacy
	return &connmgr.Config{
		Adapters: names, Kinds: a.kinds(), StateDir: a.stateDir(), Logger: a.log,
		DisableScan: !on.listen, PassiveScan: on.passive, Pairing: &on.pairing,
		Host: host.Config{HCI: controller.Config{Logger: a.log, Snoop: to.writer(), SnoopKeys: a.SnoopKeys, DisableExtended: a.NoExtended}},
	}
}

// withClient runs f with a connection to the device at p, which it closes
// afterwards. Options that o leaves unset come from the command line.
func (a *app) withClient(ctx context.Context, p *peer, o connmgr.Options, f func(c *connmgr.Client) error) error {
	return a.withManagedClient(ctx, p, o, func(_ *connmgr.Manager, c *connmgr.Client) error { return f(c) })
}

// withManagedClient is withClient for an f that needs the connection manager too.
func (a *app) withManagedClient(ctx context.Context, p *peer, o connmgr.Options, f func(m *connmgr.Manager, c *connmgr.Client) error) error {
	return a.withManager(ctx, air{}, func(m *connmgr.Manager) error {
		c, err := a.establish(ctx, m, p, o)
		if err != nil {
			return err
		}
		return cmp.Or(a.nameOtherBond(m, p, describeUse(c, f(m, c))), c.Close())
	})
}

// briefOptions are those of commands that end soon: they stay with the fast
// parameters that a link starts with.
func briefOptions() connmgr.Options { return connmgr.Options{KeepParams: true} }

// linkOptions are briefOptions for commands that need no attribute.
func linkOptions() connmgr.Options {
	return connmgr.Options{KeepParams: true, DisableDiscovery: true}
}
