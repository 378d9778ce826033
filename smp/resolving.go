package smp

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Resolver is what a Manager needs of a controller that resolves and changes
// private addresses; *controller.Controller has it.
type Resolver interface {
	// SetResolvingList replaces the resolving list by what list returns, and
	// returns how many entries fit.
	SetResolvingList(ctx context.Context, list func() []hci.LEAddDeviceToResolvingList) (int, error)
	// UsePrivateAddresses has the controller take an address of next at once and
	// after each time of every.
	UsePrivateAddresses(ctx context.Context, next func() hci.MAC, every time.Duration) error
}

// LoadResolvingList gives the controller the identity resolving keys of bonded
// peers, so that it reports and connects to them by their identities. It is to
// be called at start and whenever bonds have come or gone (Config.Changed); see
// controller.Controller.SetResolvingList, which says what it costs. It returns how many
// peers fit. The others are resolved by Manager.Resolve alone.
func (m *Manager) LoadResolvingList(ctx context.Context, ctl Resolver) (int, error) {
	return ctl.SetResolvingList(ctx, m.resolvingList)
}

// resolvingList returns the peers whose private addresses can be resolved.
func (m *Manager) resolvingList() []hci.LEAddDeviceToResolvingList {
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
func (m *Manager) UsePrivateAddresses(ctx context.Context, ctl Resolver) error {
	if !m.cfg.Privacy {
		return nil
	}
	return ctl.UsePrivateAddresses(ctx, func() hci.MAC { return m.NewAddress().MAC }, m.cfg.addressLifetime())
}
