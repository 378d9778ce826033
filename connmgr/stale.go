package connmgr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// CloseStale ends existing links to the device with an address: those of this Manager,
// and those that other programs hold on adapters of the same kinds (see
// Kind.CloseLinks), such as the kernel's links for bluetoothd. With onlyOtherAdapters it
// keeps the link of this Manager or, if there is none, a link on the adapter that hears
// the device best. The adapter to keep cannot be named here: CloseKernelLinks and
// Kind.CloseLinks take its name. CloseStale tries all links and returns the errors of those that it could not
// end. The kernel's links need CAP_NET_RAW.
func (m *Manager) CloseStale(ctx context.Context, address string, onlyOtherAdapters bool) error {
	t, err := parseTarget(address)
	if err != nil {
		return err
	}
	keep := ""
	if onlyOtherAdapters {
		keep = m.adapterToKeep(t)
	}
	var errs []error
	for _, l := range m.links.listLinks() {
		if l.leadsTo(t) && l.adapter.name != keep {
			errs = append(errs, l.disconnectLink(ctx))
		}
	}
	for _, k := range m.kindsInUse() {
		if k.CloseLinks != nil {
			errs = append(errs, k.CloseLinks(ctx, address, keep))
		}
	}
	return errors.Join(errs...)
}

// adapterToKeep returns the adapter of the Manager's own link to t or, if there is none,
// the adapter that hears t best; "" if there is neither.
func (m *Manager) adapterToKeep(t target) string {
	if l := m.links.findLink(t); l != nil {
		return l.adapter.name
	}
	if found := m.devices.heardOf(t); len(found) > 0 {
		return m.devices.preferAdapter(t.addr.MAC, found).Adapter
	}
	return ""
}

// kindsInUse returns the kinds of the Manager's adapters, each once.
func (m *Manager) kindsInUse() []Kind {
	byPrefix := map[string]Kind{}
	for _, a := range m.Adapters() {
		byPrefix[a.kind.Prefix] = a.kind
	}
	return slices.Collect(maps.Values(byPrefix))
}

// disconnectLink ends the link regardless of its Clients and waits until it is gone.
func (l *link) disconnectLink(ctx context.Context) error {
	if err := l.conn.Link().Disconnect(ctx); err != nil {
		return err
	}
	select {
	case <-l.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// KernelLink is an LE link that the kernel has, such as for bluetoothd.
type KernelLink struct {
	Adapter string
	Address hci.MAC // of the peer; the kernel does not report its kind
	Handle  hci.Handle
}

// KernelLinks lists the LE links that the kernel has on the system's adapters. Links
// of Managers, in any process, are not among them. Where the kernel has Bluetooth, but
// this process cannot ask for the links, as in another network namespace, the error is an
// *hcisock.OpenError.
func KernelLinks() ([]KernelLink, error) { return kernelLinks(hcisock.HasAddressFamily) }

// kernelLinks is KernelLinks with a check for the address family of HCI sockets.
func kernelLinks(hasFamily func() error) ([]KernelLink, error) {
	if err := hasFamily(); err != nil {
		if e, ok := errors.AsType[*hcisock.OpenError](err); ok && (e.Cause == hcisock.CauseNoBluetooth || e.Cause == hcisock.CauseUnsupported) {
			return nil, nil // there is no kernel that could have links
		}
		return nil, fmt.Errorf("connmgr: %w", err)
	}
	as, err := hcisock.Adapters()
	if err != nil {
		return nil, fmt.Errorf("connmgr: %w", err)
	}
	var all []KernelLink
	var errs []error
	for _, a := range as {
		if a.UserChannel {
			continue
		}
		ls, err := hcisock.Links(a.Index)
		if err != nil {
			errs = append(errs, fmt.Errorf("connmgr: %w", err))
		}
		for _, l := range ls {
			if l.Kind != hcisock.LinkLE {
				continue // BR/EDR links, such as audio, are left alone
			}
			all = append(all, KernelLink{a.Name, l.MAC, l.Handle})
		}
	}
	return all, errors.Join(errs...)
}

// CloseKernelLinks ends the links that the kernel has to the device with an address,
// except those on the adapter named keep, which may be empty. It tries all links and
// returns those that it ended. It needs CAP_NET_RAW, but no Manager: it is for programs
// that are about to open one.
func CloseKernelLinks(ctx context.Context, address, keep string) (ended []KernelLink, err error) {
	t, err := parseTarget(address)
	if err != nil {
		return nil, err
	}
	all, err := KernelLinks()
	errs := []error{err}
	for _, l := range all {
		if l.Address != t.addr.MAC || l.Adapter == keep {
			continue
		}
		a, err := hcisock.ParseAddress(l.Adapter)
		if err == nil {
			err = hcisock.KernelDisconnect(ctx, a.Index, l.Handle, hci.StatusRemoteUserTerminated)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("connmgr: link to %v on %s: %w", l.Address, l.Adapter, err))
			continue
		}
		ended = append(ended, l)
	}
	return ended, errors.Join(errs...)
}
