package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	periph "github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/smp"
)

// WorldEvent is something that happens in a World of a scenario file.
type WorldEvent struct {
	Time time.Time
	// Device is the name of the device of Event; empty for an event of the timeline.
	Device string
	Event  periph.Event
	// Action is the action of the timeline, and Err its error; nil for a device.
	Action *Action
	Err    error
}

// fillWorld makes the controllers and devices of the file, and starts its timeline.
func (f *scenarioFile) fillWorld(ctx context.Context, w *World) error {
	for i := range f.Controllers {
		c := &f.Controllers[i]
		made := w.addController(c.config(), string(c.Attach))
		for j := range c.Faults {
			fault, err := c.Faults[j].fault()
			if err != nil {
				return err
			}
			made.Fault(fault)
		}
	}
	if f.Controllers == nil {
		w.addController(&ControllerConfig{Name: defaultController}, "")
	}
	for i := range f.Peripherals {
		p := &f.Peripherals[i]
		for n := range max(1, p.Count) {
			d, err := f.addDevice(ctx, w, p, n)
			if err != nil {
				return err
			}
			w.addNode(d)
			if p.Place.isHere() {
				if err := w.Move(d.name, "", p.Place.Path(w.air.cfg.Path)); err != nil {
					return err
				}
			}
		}
	}
	for i := range f.Places {
		p := &f.Places[i]
		if err := w.Move(p.Device, p.Controller, p.Path(w.air.cfg.Path)); err != nil {
			return err
		}
	}
	if len(f.Events) > 0 {
		w.spawn(func() { w.runTimeline(f.Events) })
	}
	return nil
}

// addDevice puts the device with number n of a peripheral on the air.
func (f *scenarioFile) addDevice(ctx context.Context, w *World, p *filePeripheral, n int) (*worldDevice, error) {
	d := p.Description
	d.Name = p.nameOf(n)
	d.Address.Addr = p.addressOf(n)
	if p.isLight() {
		return w.addLight(&d, p.Temper)
	}
	return w.addStack(ctx, &d, p)
}

// addLight adds a Device.
func (w *World) addLight(d *periph.Description, temper Temper) (*worldDevice, error) {
	o, err := d.Advertisement()
	if err != nil {
		return nil, err
	}
	rc := &RawPeerConfig{Silent: o == nil, MaxLinks: d.Links}
	if o != nil {
		rc.AdvData, rc.ScanResponse, rc.Interval = o.Data, o.Response, o.Interval
		switch {
		case !o.NonConnectable:
		case len(o.Response) > 0:
			rc.Type = hci.AdvScanInd
		default:
			rc.Type = hci.AdvNonconnInd
		}
	}
	device := w.air.NewDevice(&DeviceConfig{
		Name: d.Name, Address: d.Address.Addr, Table: lightTable(d), Temper: temper, Peer: rc,
	})
	x := &worldDevice{name: d.Name, node: device, d: device, description: d}
	x.startLight(w, d)
	return x, nil
}

// addStack adds a Peripheral.
func (w *World) addStack(ctx context.Context, d *periph.Description, p *filePeripheral) (*worldDevice, error) {
	e, err := periph.New(d, &periph.Options{
		Seed: w.air.cfg.Seed, Bonds: w.opts.Bonds,
		Event: func(ev periph.Event) { w.reportEvent(WorldEvent{Device: d.Name, Event: ev}) },
		Passkey: func(p smp.Passkey) {
			if w.opts.Passkey != nil {
				w.opts.Passkey(d.Name, p)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	cc := ControllerConfig{}
	if p.Controller != nil {
		cc = *p.Controller
	}
	cfg := &PeripheralConfig{
		Name: d.Name, Appearance: d.Appearance, Services: e.Services(), DisableGATT: d.NoGATT, Silent: true,
		Controller: &cc, Host: *e.HostConfig(), Temper: p.Temper,
		Run: func(ctx context.Context, p *Peripheral) { _ = e.Serve(ctx, p.Host()) },
	}
	switch own := d.Own(); own.Kind {
	case hci.AddrPublic:
		cc.Address = own.MAC
	default:
		cfg.Address = own
	}
	node, err := w.air.NewPeripheral(ctx, cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-e.Ready():
	case <-ctx.Done():
		return nil, fmt.Errorf("sim: peripheral %q does not advertise: %w", d.Name, context.Cause(ctx))
	}
	return &worldDevice{name: d.Name, node: node, p: node, engine: e, description: d, identity: d.Own()}, nil
}

// SetValue sets a value of a device and sends it to the centrals that have subscribed.
// The characteristic is a name or a UUID of the scenario file, the value is written as
// there. It returns once the links have accepted the value.
func (w *World) SetValue(ctx context.Context, device, characteristic, value string) error {
	d, err := w.findDevice(device)
	if err != nil {
		return err
	}
	switch {
	case d.engine != nil:
		return d.engine.SetValue(ctx, characteristic, value)
	case d.d == nil:
		return fmt.Errorf("sim: device %q is not from a scenario file: set its values by its own methods", device)
	}
	description := d.present()
	c, err := description.Find(characteristic)
	if err != nil {
		return err
	}
	b, err := c.Encode(value)
	if err != nil {
		return err
	}
	d.d.SetValue(lightHandle(description, c), b)
	return nil
}

// errNoTable is the error of a device whose table no file describes.
var errNoTable = errors.New("sim: the device is not from a scenario file: set its table by its own methods")

// setServices gives a device a new table.
func (d *worldDevice) setServices(ctx context.Context, w *World, services []periph.Service) error {
	if d.description == nil {
		return errNoTable
	}
	changed := *d.present()
	changed.Services = services
	if err := changed.Validate(); err != nil {
		return err
	}
	if d.engine != nil {
		if err := d.engine.Reload(ctx, &changed); err != nil {
			return err
		}
	} else {
		d.d.SetTable(lightTable(&changed), true)
		d.startLight(w, &changed)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.description = &changed
	return nil
}

// present returns the present description.
func (d *worldDevice) present() *periph.Description {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.description
}

// lightTable returns the table of a light device.
func lightTable(d *periph.Description) Table {
	services := append(d.Static()[:0:0], GenericAccess(d.Name))
	if !d.NoGATT {
		services = append(services, GenericAttribute(true, true))
	}
	return NewTable(append(services, d.Static()...)...)
}

// lightHandle returns the value handle of a characteristic of a light device.
func lightHandle(d *periph.Description, c *periph.Characteristic) att.Handle {
	before, all := 0, 0 // characteristics with the same UUID
	for i := range d.Services {
		for j := range d.Services[i].Characteristics {
			switch x := &d.Services[i].Characteristics[j]; {
			case x == c:
				before = all
				all++
			case x.UUID == c.UUID:
				all++
			}
		}
	}
	var handles []att.Handle
	for _, a := range lightTable(d) {
		if a.Type == c.UUID {
			handles = append(handles, a.Handle)
		}
	}
	return handles[len(handles)-all+before] // those of the generic services come first
}

// startLight moves the values of a light device, and no longer those of its table before.
func (d *worldDevice) startLight(w *World, description *periph.Description) {
	ctx, cancel := context.WithCancel(w.ctx)
	d.mu.Lock()
	if d.stop != nil {
		d.stop()
	}
	d.stop = cancel
	d.mu.Unlock()
	n := uint64(0)
	for i := range description.Services {
		for j := range description.Services[i].Characteristics {
			c := &description.Services[i].Characteristics[j]
			n++
			m := periph.NewMover(c, w.air.cfg.Seed^seedOf(d.address()), n)
			if m == nil {
				continue
			}
			h := lightHandle(description, c)
			w.spawn(func() { d.moveLight(ctx, m, h) })
		}
	}
}

// seedOf makes the values of each device different.
func seedOf(a hci.Addr) (n uint64) {
	for _, b := range a.MAC {
		n = n<<8 | uint64(b)
	}
	return n
}

func (d *worldDevice) moveLight(ctx context.Context, m *periph.Mover, h att.Handle) {
	for {
		wait, ok := m.Wait()
		if !ok || !sleep(ctx, wait) {
			return
		}
		if b, err := m.Next(); err == nil {
			d.d.SetValue(h, b)
		}
	}
}

// sleep waits, and reports false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// actionTime bounds an action of the timeline.
const actionTime = 5 * time.Second

// runTimeline carries out the events of a file, those of one instant in their order.
func (w *World) runTimeline(events []Action) {
	type due struct {
		at     time.Duration
		action *Action
	}
	var queue []due
	for i := range events {
		at := events[i].At
		if at == 0 {
			at = events[i].Every
		}
		queue = append(queue, due{at, &events[i]})
	}
	start := time.Now()
	for len(queue) > 0 {
		slices.SortStableFunc(queue, func(x, y due) int { return cmp.Compare(x.at, y.at) })
		next := &queue[0]
		if !sleep(w.ctx, next.at-time.Since(start)) {
			return
		}
		ctx, cancel := context.WithTimeout(w.ctx, actionTime)
		err := w.Do(ctx, *next.action)
		cancel()
		w.reportEvent(WorldEvent{Action: next.action, Err: err})
		if next.action.Every > 0 {
			next.at += next.action.Every
			continue
		}
		queue = queue[1:]
	}
}

func (w *World) reportEvent(ev WorldEvent) {
	if w.opts.Event == nil {
		return
	}
	w.eventMu.Lock()
	defer w.eventMu.Unlock()
	ev.Time = time.Now()
	w.opts.Event(ev)
}

// Summary describes the action in one line.
func (a *Action) Summary() string {
	words := []string{string(a.Do)}
	for _, w := range []string{a.Device, a.Controller, a.Characteristic, a.Value} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}
