package smp

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/hci"
)

// LoadResolvingList gives the controller the identity resolving keys of bonded
// peers, so that it reports and connects to them by their identities, and has it
// resolve addresses (Vol 4, Part E, 7.8.38 to 7.8.44). Peers that use their
// identity address all the same are accepted. It returns how many peers fit; the
// others are resolved by Manager.Resolve alone, as are all on a controller
// without such a list, where it returns 0.
//
// The controller refuses this (hci.StatusCommandDisallowed) while it scans,
// advertises or connects: call it before, and again when bonds have come or
// gone.
func (m *Manager) LoadResolvingList(ctx context.Context, d *hci.Device) (int, error) {
	info := d.Info()
	for _, op := range [...]hci.Opcode{hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList, hci.OpLESetAddressResolutionEnable} {
		if info.ResolvingListSize == 0 || !info.Commands.Has(op) {
			return 0, nil
		}
	}
	if _, err := hci.Exec(ctx, d, hci.LESetAddressResolutionEnable{}); err != nil {
		return 0, err
	}
	if _, err := hci.Exec(ctx, d, hci.LEClearResolvingList{}); err != nil {
		return 0, err
	}
	n := 0
	for _, b := range m.store.All() {
		if b.IRK.IsZero() {
			continue
		}
		_, err := hci.Exec(ctx, d, hci.LEAddDeviceToResolvingList{Peer: b.Peer, PeerIRK: b.IRK})
		if errors.Is(err, hci.StatusMemoryFull) {
			break
		}
		if err != nil {
			return n, err
		}
		n++
		if info.Commands.Has(hci.OpLESetPrivacyMode) {
			if _, err := hci.Exec(ctx, d, hci.LESetPrivacyMode{Peer: b.Peer, Device: true}); err != nil {
				return n, err
			}
		}
	}
	if n == 0 {
		return 0, nil
	}
	_, err := hci.Exec(ctx, d, hci.LESetAddressResolutionEnable{Enable: true})
	return n, err
}
