package connmgr

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// HCI returns the kind of the adapters that package hcisock opens with cfg, which
// may be nil: those of the system, such as hci0, and streams, such as
// tcp:HOST:PORT. Its Prefix is empty.
//
// List returns every adapter of the system that no other process uses. An adapter that
// is named by its index is found again by the address of its controller.
//
// RungPowerCycle lifts a soft rfkill block from an adapter of the system, and takes it
// down and up. RungUSBReset resets the port of an adapter on USB, even if the adapter has
// vanished and its USB device is still there. It requires write access to the device
// file, see hcisock.USBDevice.Reset. Neither is taken while another process has the user
// channel of the adapter or the kernel's own stack has a link on it, and no port is reset
// of a device that has other functions too, such as Wi-Fi.
func HCI(cfg *hcisock.Config) Kind {
	return Kind{
		Open: func(ctx context.Context, address string) (hci.Transport, error) {
			return hcisock.Open(ctx, address, cfg)
		},
		List:      listUnclaimed,
		Recoverer: func() Recoverer { return &hciRecoverer{system: systemAdapters} },
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
