package connmgr

import (
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// CloseStale ends links to the device with an address that are in the way of a
// new one: those of this Manager on any adapter, and those that the kernel has,
// as for bluetoothd, on adapters that the Manager does not own. With
// onlyOtherAdapters, a link on the adapter that hears the device best is kept.
// It tries all and returns what could not be ended. A link of the kernel needs
// CAP_NET_RAW to be ended.
func (m *Manager) CloseStale(ctx context.Context, address string, onlyOtherAdapters bool) error {
	t, err := parseTarget(address)
	if err != nil {
		return err
	}
	keep := ""
	if onlyOtherAdapters {
		if d, ok := m.Device(address); ok {
			keep = d.Adapter
		}
	}
	var errs []error
	for _, l := range m.links.list() {
		if t.matches(l.conn.Peer()) && l.adapter.name != keep {
			errs = append(errs, l.conn.Link().Disconnect(ctx))
		}
	}
	if m.cfg.OpenTransport == nil {
		errs = append(errs, closeKernelLinks(ctx, t, keep))
	}
	return errors.Join(errs...)
}

// closeKernelLinks ends the kernel's links to t.
func closeKernelLinks(ctx context.Context, t target, keep string) error {
	if hcisock.HasAddressFamily() != nil {
		return nil // a kernel without Bluetooth has no links
	}
	as, err := hcisock.Adapters()
	if err != nil {
		return fmt.Errorf("connmgr: %w", err)
	}
	var errs []error
	for _, a := range as {
		if a.Name == keep || a.UserChannel {
			continue // one that is held by a user channel has no links of the kernel's
		}
		ls, err := hcisock.Links(a.Index)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, l := range ls {
			if l.MAC == t.addr.MAC {
				errs = append(errs, hcisock.KernelDisconnect(ctx, a.Index, l.Handle, hci.StatusRemoteUserTerminated))
			}
		}
	}
	return errors.Join(errs...)
}
