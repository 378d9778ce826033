package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// HardwareError sends a Hardware Error event. With reset the controller also
// loses its state, as it does when its firmware restarts.
func (c *Controller) HardwareError(code uint8, reset bool) {
	c.air.post(func() {
		if reset {
			c.powerOn()
		}
		c.sendEvent(&hci.HardwareError{Code: code})
	})
}

// Crash makes the controller lose its state. It sends no event and no packet.
func (c *Controller) Crash() {
	c.air.post(func() {
		c.hung = false
		c.powerOn()
	})
}

// Cure is a means to bring back a controller that hangs. Each has the effects of those
// before it.
type Cure uint8

// The cures, the weakest first.
const (
	CureReopen     Cure = iota // another host opens the controller, as Plug does
	CurePowerCycle             // the system switches the controller off and on
	CureUSBReset               // the hub resets its port
	CureReplug                 // it is unplugged, as by Unplug or Replug
)

// Hang makes the controller die silently: it takes packets of the host and never
// answers, and its radio is off, so that its links end on the other side by
// supervision timeout. It stays so for every host until Unplug, Replug or Crash.
func (c *Controller) Hang() { c.HangUntil(CureReplug) }

// HangUntil is Hang with a weaker cure: a controller that hangs until CurePowerCycle
// works again after a power cycle or a reset of its port, too.
func (c *Controller) HangUntil(cure Cure) {
	c.air.post(func() {
		c.powerOn()
		c.hung, c.cure = true, cure
	})
}

// Apply does to the controller as the system does: CurePowerCycle switches it off and on,
// and CureUSBReset and CureReplug take it away from its host, if it has one, as Unplug
// does. The controller then works if that is the cure of its hang. CureReopen does
// nothing: Plug applies it.
func (c *Controller) Apply(cure Cure) {
	c.air.post(func() {
		c.applyCure(cure)
		switch cure {
		case CureReopen:
		case CurePowerCycle:
			c.powerOn()
		case CureUSBReset, CureReplug:
			c.unplugHost(ErrUnplugged)
		}
	})
}

func (c *Controller) applyCure(cure Cure) {
	if cure >= c.cure {
		c.hung = false
	}
}

// Unplug disconnects the controller from its host, as pulling a dongle does.
// The host can still read the packets that were queued; then ReadPacket and
// WritePacket fail with ErrUnplugged. The controller loses its power. It is
// plugged in again by Plug or Air.OpenTransport.
func (c *Controller) Unplug() {
	c.air.post(func() {
		c.hung = false
		c.unplugHost(ErrUnplugged)
	})
}

// Replug unplugs the controller as Unplug does, and plugs it in again after a
// time, under another name if name is not empty. Meanwhile Air.OpenTransport
// fails with ErrUnplugged, and so does the transport that Plug returns. From then
// on OpenTransport fails for the old name, if there is a new one. A negative time
// means for ever.
func (c *Controller) Replug(after time.Duration, name string) {
	c.air.post(func() {
		a := c.air
		c.hung, c.absent = false, true
		c.unplugHost(ErrUnplugged)
		a.disarm(&c.replug)
		if after < 0 {
			return
		}
		c.replug.fire = func() {
			c.absent = false
			if name != "" && name != c.node.name {
				a.renameAdapter(c, name)
			}
		}
		a.arm(&c.replug, a.now.plus(after))
	})
}

// SetMaxLinks changes the greatest number of links and the status of a connect
// beyond it.
func (c *Controller) SetMaxLinks(n int, full hci.Status) {
	c.air.post(func() { c.cfg.MaxLinks, c.cfg.FullStatus = n, full })
}

// Inject sends octets to the host unchecked, beginning with the H4 packet type:
// garbage, half a packet, an event for an unknown handle.
func (c *Controller) Inject(packet []byte) {
	packet = append([]byte(nil), packet...)
	c.air.post(func() { c.toHost(packet, nil) })
}

// InjectEvent sends an event to the host regardless of masks and faults.
func (c *Controller) InjectEvent(ev hci.Event) {
	c.air.post(func() { c.toHost(hci.AppendEvent([]byte{eventPacket}, ev), nil) })
}

// renameAdapter gives a controller a new name.
func (a *Air) renameAdapter(c *Controller, name string) {
	old := c.node.name
	delete(a.made, old)
	a.retired = slices.DeleteFunc(append(a.retired, old), func(n string) bool { return n == name })
	c.node.name = name
	a.made[name] = c
}

// adapterNamed returns the controller of a name, and makes it if there never was
// one. Must run on the air's goroutine.
func (a *Air) adapterNamed(name string) (*Controller, error) {
	c := a.made[name] // it may not be among the nodes yet
	if c == nil {
		c = a.adapterOnAir(name)
	}
	if c == nil && !slices.Contains(a.retired, name) {
		c = a.NewController(&ControllerConfig{Name: name})
		a.made[name] = c
	}
	if c == nil || c.absent {
		return nil, fmt.Errorf("%w: %s", ErrUnplugged, name)
	}
	return c, nil
}

func (a *Air) adapterOnAir(name string) *Controller {
	for _, n := range a.nodes {
		if c, ok := n.node.(*Controller); ok && n.name == name && !c.owned {
			return c
		}
	}
	return nil
}
