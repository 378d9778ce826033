package cli

import (
	"context"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
)

// withHost runs f with the first of the adapters.
func (a *app) withHost(ctx context.Context, on air, f func(m *connmgr.Manager, ctl *controller.Controller) error) error {
	on.one = true
	return a.withManager(ctx, on, func(m *connmgr.Manager) error {
		ctl := m.Adapters()[0].Controller()
		if ctl == nil {
			_, err := m.Adapters()[0].State()
			return err
		}
		return f(m, ctl)
	})
}
