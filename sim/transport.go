package sim

import (
	"context"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/hci"
)

// OpenTransport opens the scenario of an address such as "sim:crowd?seed=7", as
// Open does. Each call makes an air of its own. It fits
// connmgr.Config.OpenTransport. The context is ignored: the call takes only as
// long as the devices of the scenario take to start.
func OpenTransport(_ context.Context, address string) (hci.Transport, error) {
	scenario, ok := strings.CutPrefix(address, "sim:")
	if !ok {
		return nil, fmt.Errorf("sim: %q is no simulated adapter: want sim:SCENARIO", address)
	}
	return Open(scenario)
}

// OpenTransport plugs in the controller of that name, as Controller.Plug does. A
// name without a controller makes one; the controllers of Peripherals do not
// count. It fits connmgr.Config.OpenTransport, so that the adapters of a Manager
// are on this air:
//
//	&connmgr.Config{Adapters: []string{"hci0"}, OpenTransport: air.OpenTransport}
//
// The context is ignored, since the call does not wait for the radio. It fails if
// the air is closed, or if the controller is unplugged, see Controller.Replug.
func (a *Air) OpenTransport(_ context.Context, name string) (hci.Transport, error) {
	var c *Controller
	if !a.runAndWait(func() { c = a.named(name) }) {
		return nil, errClosed
	}
	return c.Plug(), nil
}

// named returns the controller of a name, and makes it if there is none. Must run
// on the air's goroutine.
func (a *Air) named(name string) *Controller {
	if c := a.made[name]; c != nil { // it may not be among the nodes yet
		return c
	}
	for _, n := range a.nodes {
		if c, ok := n.node.(*Controller); ok && n.name == name && !c.owned {
			return c
		}
	}
	c := a.NewController(&ControllerConfig{Name: name})
	a.made[name] = c
	return c
}
