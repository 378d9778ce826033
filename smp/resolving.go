package smp

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Resolver is a controller that resolves and generates private addresses;
// *controller.Controller implements it.
type Resolver interface {
	// SetResolvingList replaces the controller's resolving list by the result of list,
	// and returns the number of entries that fit.
	SetResolvingList(ctx context.Context, list func() []hci.LEAddDeviceToResolvingList) (int, error)
	// UsePrivateAddresses makes the controller use an address of next from now on, and
	// another one after each period of every.
	UsePrivateAddresses(ctx context.Context, next func() hci.MAC, every time.Duration) error
}

// LoadResolvingList loads the identity resolving keys of bonded peers into the
// controller, which then reports these peers, and connects to them, by their identity
// addresses. Call it at the start and after each change of the bonds (Config.Changed).
// controller.Controller.SetResolvingList describes its cost. LoadResolvingList returns
// the number of peers that fit; only Manager.Resolve resolves the others.
func (m *Manager) LoadResolvingList(ctx context.Context, ctl Resolver) (int, error) {
	return ctl.SetResolvingList(ctx, m.resolvingList)
}

// resolvingList returns the entries of the bonded peers that have private addresses.
func (m *Manager) resolvingList() []hci.LEAddDeviceToResolvingList {
	var list []hci.LEAddDeviceToResolvingList
	for _, b := range m.store.All() {
		if !b.IRK.IsZero() {
			list = append(list, hci.LEAddDeviceToResolvingList{Peer: b.Peer, PeerIRK: b.IRK})
		}
	}
	return list
}

// UsePrivateAddresses makes the controller use private addresses of this host. Without
// Config.Privacy it does nothing.
func (m *Manager) UsePrivateAddresses(ctx context.Context, ctl Resolver) error {
	if !m.cfg.Privacy {
		return nil
	}
	return ctl.UsePrivateAddresses(ctx, func() hci.MAC { return m.NewAddress().MAC }, m.cfg.addressLifetime())
}
