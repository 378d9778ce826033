package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/moor-ble/moor/hci"
	periph "github.com/moor-ble/moor/peripheral"
)

// World is the air of a scenario with its controllers and its devices, which have
// names. Any goroutine may call its methods, except scripts on the air's goroutine.
type World struct {
	opts ScenarioOptions
	air  *Air

	ctx     context.Context // of the timeline and of the values of light devices
	cancel  context.CancelFunc
	running sync.WaitGroup
	eventMu sync.Mutex // held while ScenarioOptions.Event runs

	mu          sync.Mutex // leaf; guards the rest
	closed      bool
	attachments []Attachment
	devices     []*worldDevice
	peripherals []*Peripheral // of devices
}

// Attachment is a controller of a World for a host.
type Attachment struct {
	Name       string
	Controller *Controller
	// Attach is the place at which the scenario asks for the controller: vhci,
	// tcp:HOST:PORT, unix:PATH or pty. Empty means nowhere. A World itself ignores it.
	Attach string
}

// worldDevice is a device of a World.
type worldDevice struct {
	name string
	node Node
	p    *Peripheral // nil for a Device
	d    *Device     // nil for a Peripheral
	// identity is the address of a Peripheral from a file, whose address on air may change.
	identity hci.Addr
	engine   *periph.Engine // of a Peripheral from a file

	mu          sync.Mutex          // leaf; guards the rest
	description *periph.Description // of a device from a file
	stop        context.CancelFunc  // ends the values of a Device; nil without a file
}

// OpenWorld makes the air of the scenario with all controllers and devices. It returns
// once the devices advertise; ctx bounds this start only. nil options are the defaults.
// A Scenario that does not come from ParseScenario, Load or ParseFile needs only its Name.
func (s Scenario) OpenWorld(ctx context.Context, o *ScenarioOptions) (*World, error) {
	if s.fill == nil {
		named, err := findScenario(s.Name)
		if err != nil {
			return nil, err
		}
		s.fill = named.fill
	}
	w := &World{air: New(&s.air)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	if o != nil {
		w.opts = *o
	}
	if err := s.fill(ctx, w); err != nil {
		return nil, errors.Join(fmt.Errorf("sim: scenario %s: %w", s.Name, err), w.Close())
	}
	return w, nil
}

// Air returns the air of the world. Other nodes may be added to it.
func (w *World) Air() *Air { return w.air }

// Attachments returns the controllers of the world that are not part of a device, in
// the order of the scenario. There is at least one.
func (w *World) Attachments() []Attachment {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Attachment(nil), w.attachments...)
}

// Controller returns the controller of a name, which may be used as the hci.Transport of
// its first host. Controller.Plug makes the transport of a later host. The empty name means
// the first controller.
func (w *World) Controller(name string) (*Controller, error) {
	all := w.Attachments()
	var names []string
	for _, c := range all {
		if c.Name == name || name == "" {
			return c.Controller, nil
		}
		names = append(names, c.Name)
	}
	return nil, fmt.Errorf("sim: no controller %q: there are %s", name, strings.Join(names, ", "))
}

// Devices returns the names of the devices, in the order of the scenario.
func (w *World) Devices() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.devices {
		names = append(names, d.name)
	}
	return names
}

// Device returns the node of the device of a name: a *Peripheral, a *Device or a
// *RawPeer. An address of the device will do, too.
func (w *World) Device(name string) (Node, error) {
	d, err := w.findDevice(name)
	if err != nil {
		return nil, err
	}
	return d.node, nil
}

// Address returns the address of the device of a name.
func (w *World) Address(name string) (hci.Addr, error) {
	d, err := w.findDevice(name)
	if err != nil {
		return hci.Addr{}, err
	}
	return d.address(), nil
}

func (d *worldDevice) address() hci.Addr {
	if d.identity != (hci.Addr{}) {
		return d.identity
	}
	if n, ok := d.node.(interface{ Address() hci.Addr }); ok {
		return n.Address()
	}
	return hci.Addr{}
}

// maxNamed is the number of names that an error lists.
const maxNamed = 10

func (w *World) findDevice(name string) (*worldDevice, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.devices {
		if d.name == name {
			return d, nil
		}
	}
	if a, err := hci.ParseAddr(name); err == nil {
		for _, d := range w.devices {
			if d.address() == a {
				return d, nil
			}
		}
	}
	var names []string
	for _, d := range w.devices[:min(len(w.devices), maxNamed)] {
		names = append(names, d.name)
	}
	if len(w.devices) > maxNamed {
		names = append(names, fmt.Sprintf("and %d more", len(w.devices)-maxNamed))
	}
	return nil, fmt.Errorf("sim: no device %q: there are %s", name, strings.Join(names, ", "))
}

// SetFault switches a fault of a controller on; see Controller.Fault.
func (w *World) SetFault(controller string, f Fault) error {
	c, err := w.Controller(controller)
	if err == nil {
		c.Fault(f)
	}
	return err
}

// ClearFaults switches all faults of a controller off; see Controller.ClearFaults.
func (w *World) ClearFaults(controller string) error {
	c, err := w.Controller(controller)
	if err == nil {
		c.ClearFaults()
	}
	return err
}

// Move sets the radio path between a device and a controller; the empty name means all
// controllers.
func (w *World) Move(device, controller string, p Path) error {
	d, err := w.findDevice(device)
	if err != nil {
		return err
	}
	if controller != "" {
		c, err := w.Controller(controller)
		if err == nil {
			w.air.SetPath(d.node, c, p)
		}
		return err
	}
	for _, c := range w.Attachments() {
		w.air.SetPath(d.node, c.Controller, p)
	}
	return nil
}

// SetPower switches a device off or on. A device without power is silent: its links end
// by supervision timeout on the other side.
func (w *World) SetPower(device string, on bool) error {
	d, err := w.findDevice(device)
	if err == nil {
		w.air.SetAway(d.node, !on)
	}
	return err
}

// KillLinks ends all links of a device with reason, which both sides get at once. With
// the zero reason the links fall silent, and both sides end them by supervision timeout.
func (w *World) KillLinks(device string, reason hci.Status) error {
	d, err := w.findDevice(device)
	if err == nil {
		w.air.DropLinks(d.node, reason)
	}
	return err
}

// Close ends the timeline, the air and everything on it; see Air.Close.
func (w *World) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	err := w.air.Close()
	w.running.Wait()
	return err
}

// spawn runs f on a goroutine that ends with the world; not after Close.
func (w *World) spawn(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.running.Go(f)
	}
}

// addController adds a controller to the world.
func (w *World) addController(cfg *ControllerConfig, attach string) *Controller {
	c := w.air.NewController(cfg)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attachments = append(w.attachments, Attachment{Name: c.node.name, Controller: c, Attach: attach})
	return c
}

// addNode adds a device that is on the air to the world.
func (w *World) addNode(d *worldDevice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.devices = append(w.devices, d)
	if d.p != nil {
		w.peripherals = append(w.peripherals, d.p)
	}
}

// DropLinks ends all links of a node with reason, which both hosts get at once. With the
// zero reason the links fall silent, and both sides end them by supervision timeout.
func (a *Air) DropLinks(n Node, reason hci.Status) {
	a.post(func() {
		r := n.radio()
		for _, l := range append([]*link(nil), a.links...) {
			switch {
			case l.c.radio != r && l.p.radio != r:
			case reason == hci.StatusSuccess:
				l.apart = true
				l.reassess()
			default:
				for _, e := range []*endpoint{&l.p, &l.c} {
					if !e.dead {
						e.dropLink(reason)
					}
				}
			}
		}
	})
}

var _ io.Closer = (*World)(nil)
