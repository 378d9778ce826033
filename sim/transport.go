package sim

import (
	"context"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/hci"
)

// OpenTransport opens the scenario of an address such as "sim:crowd?seed=7", as
// Open does. Each call makes an air of its own. It fits
// the Open of a connmgr.Kind with the Prefix "sim:". The context is ignored: the
// call takes only as long as the devices of the scenario take to start.
func OpenTransport(_ context.Context, address string) (hci.Transport, error) {
	scenario, ok := strings.CutPrefix(address, "sim:")
	if !ok {
		return nil, fmt.Errorf("sim: %q is no simulated adapter: want sim:SCENARIO", address)
	}
	return Open(scenario)
}

// OpenTransport plugs in the controller of that name, as Controller.Plug does. A
// name without a controller makes one; the controllers of Peripherals do not
// count. It fits the Open of a connmgr.Kind, so that the adapters of a Manager
// are on this air:
//
//	&connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}}
//
// The context is ignored, since the call does not wait for the radio. It fails if
// the air is closed, or if the controller is unplugged, see Controller.Replug.
func (a *Air) OpenTransport(_ context.Context, name string) (hci.Transport, error) {
	var c *Controller
	var err error
	if !a.runAndWait(func() { c, err = a.adapterNamed(name) }) {
		return nil, errClosed
	}
	if err != nil {
		return nil, err
	}
	return c.Plug(), nil
}
