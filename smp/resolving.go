package smp

import (
	"context"

	"github.com/moor-ble/moor/hci"
)

// LoadResolvingList gives the controller the identity resolving keys of bonded
// peers, so that it reports and connects to them by their identities. It is to
// be called at start and whenever bonds have come or gone (Config.Changed); see
// hci.Device.SetResolvingList, which says what it costs. It returns how many
// peers fit. The others are resolved by Manager.Resolve alone.
func (m *Manager) LoadResolvingList(ctx context.Context, d *hci.Device) (int, error) {
	return d.SetResolvingList(ctx, m.resolvable)
}

// resolvable returns the peers whose private addresses can be resolved.
func (m *Manager) resolvable() []hci.LEAddDeviceToResolvingList {
	var list []hci.LEAddDeviceToResolvingList
	for _, b := range m.store.All() {
		if !b.IRK.IsZero() {
			list = append(list, hci.LEAddDeviceToResolvingList{Peer: b.Peer, PeerIRK: b.IRK})
		}
	}
	return list
}

// UsePrivateAddresses has the controller use private addresses of this host, if
// Config.Privacy asks for it, and else does nothing.
func (m *Manager) UsePrivateAddresses(ctx context.Context, d *hci.Device) error {
	if !m.cfg.Privacy {
		return nil
	}
	return d.UsePrivateAddresses(ctx, func() hci.MAC { return m.NewAddress().MAC }, m.cfg.addressLifetime())
}
