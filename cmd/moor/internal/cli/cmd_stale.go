package cli

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

type staleCmd struct {
	Addr   peerArg
	Others bool
}

func newStale() *command {
	c := &staleCmd{}
	cmd := newCommand(groupPeer, "stale", "End the kernel's connections to a device.", c.runStale)
	cmd.detail = "Such a connection belongs to bluetoothd, or to a process that has ended without closing it. While it lasts, the device may not accept another one. The command needs CAP_NET_RAW and opens no adapter."
	cmd.word("addr", "the device's address, such as C0:FF:EE:00:00:01", &c.Addr)
	cmd.flags.BoolVar(&c.Others, "other-adapters", false, "keep the connection on the adapter of --adapter, or without that flag on the adapter that hears the device best")
	return cmd
}

// jsonStale is the output of stale --json for each connection that it ended.
type jsonStale struct {
	Address hci.MAC    `json:"address"`
	Adapter string     `json:"adapter"`
	Handle  hci.Handle `json:"handle"`
}

func (c *staleCmd) runStale(ctx context.Context, a *app) error {
	keep := ""
	if c.Others {
		var err error
		if keep, err = c.keptAdapter(a); err != nil {
			return err
		}
	}
	ended, err := connmgr.CloseKernelLinks(ctx, c.Addr.String(), keep)
	for _, l := range ended {
		if a.JSON {
			a.out.json(jsonStale{l.Address, l.Adapter, l.Handle})
			continue
		}
		a.out.printf("%s: connection to %s ended\n", l.Adapter, l.Address)
	}
	if err == nil && len(ended) == 0 && !a.JSON {
		a.out.printf("no connection to %s had to be ended\n", c.Addr.Addr.MAC)
	}
	return err
}

// keptAdapter returns the adapter whose connection is to stay: the first that the
// command line names, or else the one that hears the device best.
func (c *staleCmd) keptAdapter(a *app) (string, error) {
	if len(a.Adapters) > 0 {
		return a.systemName(a.Adapters[0])
	}
	dir, best := a.stateDir(), connmgr.Device{Smoothed: connmgr.NoRSSI - 1}
	if dir != "" {
		all, err := connmgr.KeptDevices(dir)
		if err != nil {
			return "", err
		}
		for _, d := range all {
			if d.Addr.MAC == c.Addr.Addr.MAC && d.Smoothed > best.Smoothed {
				best = d
			}
		}
	}
	if best.Adapter == "" {
		return "", usagef("no adapter has heard %s: name the adapter whose connection is to stay with --adapter", c.Addr)
	}
	return best.Adapter, nil
}

// systemName returns the kernel's name of an adapter, which may be given by its
// address.
func (a *app) systemName(name string) (string, error) {
	want, err := hcisock.ParseAddress(name)
	if err != nil {
		return "", err
	}
	if want.Kind != hcisock.KindMAC {
		return name, nil
	}
	list, err := a.env.listAdapters()
	if err != nil {
		return "", err
	}
	for i := range list {
		if list[i].MAC == want.MAC {
			return list[i].Name, nil
		}
	}
	return "", fmt.Errorf("this machine has no adapter %s", name)
}
