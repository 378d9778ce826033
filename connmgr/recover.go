package connmgr

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/hci/hcisock"
)

// recover does between two tries to open an adapter what may help it.
func (c *Config) recover(ctx context.Context, address string) error {
	if c.Recover != nil {
		return c.Recover(ctx, address)
	}
	if c.OpenTransport != nil {
		return nil // not an adapter of the system
	}
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

// revive lifts a soft block and takes the adapter down and up: the way to have
// the driver load its firmware again. Who else uses it is left alone.
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
