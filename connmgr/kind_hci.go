package connmgr

import (
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// HCI returns the kind of the adapters that package hcisock opens with cfg, which
// may be nil: those of the system, such as hci0, and streams, such as
// tcp:HOST:PORT. Its Prefix is empty.
//
// List returns every adapter of the system that no other process uses. Recover
// lifts a soft rfkill block from an adapter of the system, and takes it down and
// up. An adapter that is named by its index is found again by the address of its
// controller.
func HCI(cfg *hcisock.Config) Kind {
	return Kind{
		Open: func(ctx context.Context, address string) (hci.Transport, error) {
			return hcisock.Open(ctx, address, cfg)
		},
		List:    listUnclaimed,
		Recover: recoverAdapter,
		Follow: func(address string, own hci.MAC) string {
			if a, err := hcisock.ParseAddress(address); err == nil && a.Kind == hcisock.KindIndex {
				return own.String()
			}
			return address
		},
		CloseLinks: func(ctx context.Context, address, keep string) error {
			_, err := CloseKernelLinks(ctx, address, keep)
			return err
		},
	}
}

// listUnclaimed lists the adapters of the system that no other process uses.
func listUnclaimed(context.Context) ([]string, error) {
	as, err := hcisock.Adapters()
	if err != nil {
		return nil, fmt.Errorf("connmgr: %w", err)
	}
	free, err := hcisock.Unclaimed(as, hcisock.Links)
	if err != nil {
		return nil, fmt.Errorf("connmgr: %w: %w", ErrNoAdapter, err)
	}
	var names []string
	for _, a := range free {
		names = append(names, a.Name)
	}
	return names, nil
}

// recoverAdapter revives the adapter of the system at an address, if it is one.
func recoverAdapter(_ context.Context, address string) error {
	want, err := hcisock.ParseAddress(address)
	if err != nil {
		return err
	}
	as, err := hcisock.Adapters()
	if err != nil {
		return err
	}
	for _, a := range as {
		if want.Kind == hcisock.KindIndex && a.Index == want.Index || want.Kind == hcisock.KindMAC && a.MAC == want.MAC {
			return revive(a)
		}
	}
	return nil // a stream, or an adapter that is not there
}

// revive lifts a soft block and takes the adapter down and up, which makes the
// driver load its firmware again. An adapter that another process uses is left
// alone.
func revive(a hcisock.Adapter) error {
	if len(a.Holders) > 0 || a.UserChannel {
		return nil
	}
	var errs []error
	if a.RFKill.Soft {
		errs = append(errs, hcisock.Unblock(a.Index))
	}
	if a.Up {
		errs = append(errs, hcisock.Down(a.Index))
	}
	return errors.Join(append(errs, hcisock.Up(a.Index))...)
}
