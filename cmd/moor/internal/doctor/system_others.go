//go:build !linux

package doctor

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// System returns the Env of this machine, with adapter as Env.Adapter. cfg is for
// opening adapters and may be nil.
func System(adapter string, cfg *hcisock.Config) Env {
	return Env{
		Adapter:       adapter,
		AddressFamily: hcisock.HasAddressFamily,
		InitialNetNS:  func() (bool, error) { return false, errors.ErrUnsupported },
		Privileges:    hcisock.ReadPrivileges,
		Adapters:      hcisock.Adapters,
		Dormant:       func() []string { return nil },
		KernelLog:     func() ([]string, error) { return nil, errors.ErrUnsupported },
		Links:         hcisock.Links,
		Open: func(ctx context.Context, address string) (hci.Transport, error) {
			return hcisock.Open(ctx, address, cfg)
		},
		Up: hcisock.Up,
	}
}
