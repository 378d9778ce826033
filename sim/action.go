package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/yamlfile"
	periph "github.com/moor-ble/moor/peripheral"
)

// ActionKind is the kind of an Action.
type ActionKind string

// The actions, with the fields that they use. A Device may be left out in none of them
// that has one; an empty Controller is the first, or with ActMove all.
const (
	ActMove        ActionKind = "move"         // Device, Controller, Place
	ActPowerOff    ActionKind = "power-off"    // Device
	ActPowerOn     ActionKind = "power-on"     // Device
	ActDropLink    ActionKind = "drop-link"    // Device, Reason
	ActSetValue    ActionKind = "set-value"    // Device, Characteristic, Value
	ActSetTable    ActionKind = "set-table"    // Device, Services: new firmware
	ActSetTemper   ActionKind = "set-temper"   // Device, Temper
	ActFault       ActionKind = "fault"        // Controller, Fault
	ActClearFaults ActionKind = "clear-faults" // Controller
	ActUnplug      ActionKind = "unplug"       // Controller
	ActReplug      ActionKind = "replug"       // Controller, For
	ActHang        ActionKind = "hang"         // Controller
	ActCrash       ActionKind = "crash"        // Controller
)

var actionKinds = []ActionKind{
	ActMove, ActPowerOff, ActPowerOn, ActDropLink, ActSetValue, ActSetTable, ActSetTemper, ActFault, ActClearFaults, ActUnplug,
	ActReplug, ActHang, ActCrash,
}

// Choices returns the names of the actions.
func (ActionKind) Choices() (names []string) {
	for _, k := range actionKinds {
		names = append(names, string(k))
	}
	return names
}

// UnmarshalText reads the name of an action.
func (k *ActionKind) UnmarshalText(b []byte) error {
	if !slices.Contains(actionKinds, ActionKind(b)) {
		return fmt.Errorf("no action %q: there are %s", b, strings.Join(k.Choices(), ", "))
	}
	*k = ActionKind(b)
	return nil
}

// isAboutDevice reports whether the action has a Device.
func (k ActionKind) isAboutDevice() bool {
	switch k {
	case ActMove, ActPowerOff, ActPowerOn, ActDropLink, ActSetValue, ActSetTable, ActSetTemper:
		return true
	default:
	}
	return false
}

// Action is a change of a World: an entry of the events of a scenario file, or an order of
// World.Do.
type Action struct {
	// At is the time since the start of the world, and Every the time between repetitions.
	// World.Do ignores both.
	At, Every time.Duration
	Do        ActionKind
	// Device and Controller are names.
	Device, Controller string
	// Characteristic is a name or a UUID, Value a value in the format of the characteristic.
	Characteristic, Value string
	// Place is the new place of the Device.
	Place Place
	// Reason is the reason for the end of the links; default silence, so that both sides end
	// them by supervision timeout.
	Reason hci.Status
	Fault  *FaultSpec
	// Services are the new table, which Service Changed announces.
	Services []periph.Service
	Temper   *Temper
	// For is the time until the controller is back; default 1 s.
	For time.Duration
}

// validateEvent returns the first mistake in an event of the file with its field.
func (f *scenarioFile) validateEvent(a *Action) (string, error) {
	if a.At < 0 {
		return ".at", fmt.Errorf("%v is negative", a.At)
	}
	if a.Every != 0 && a.Every < time.Millisecond {
		return ".every", fmt.Errorf("%v: write 1ms at least", a.Every)
	}
	if err := f.checkNames(a.Device, a.Controller, a.Do.isAboutDevice()); err != nil {
		return "", err
	}
	if err := a.checkFields(); err != nil {
		return "", err
	}
	p, ok := f.deviceNamed(a.Device)
	if !ok {
		return "", nil
	}
	switch a.Do {
	case ActSetValue:
		c, err := f.findChar(p, a)
		if err != nil {
			return ".characteristic", err
		}
		if _, err := c.Encode(a.Value); err != nil {
			return ".value", err
		}
	case ActSetTable:
		d := p.Description
		d.Services = a.Services
		if err := d.Validate(); err != nil {
			if e, ok := errors.AsType[*periph.FieldError](err); ok {
				return "." + e.Path, e.Err
			}
			return "", err
		}
	default:
	}
	return "", nil
}

// findChar returns the characteristic of an action, in the table of the file or in one
// that another event sets.
func (f *scenarioFile) findChar(p *filePeripheral, a *Action) (*periph.Characteristic, error) {
	c, err := p.Find(a.Characteristic)
	for i := 0; err != nil && i < len(f.Events); i++ {
		if e := &f.Events[i]; e.Do == ActSetTable && e.Device == a.Device {
			d := periph.Description{Services: e.Services}
			if later, found := d.Find(a.Characteristic); found == nil {
				return later, nil
			}
		}
	}
	return c, err
}

// checkFields checks the fields that do not depend on the world.
func (a *Action) checkFields() error {
	switch a.Do {
	case "":
		return fmt.Errorf("do is missing: write do: %s, or another action", ActDropLink)
	case ActMove:
		if !a.Place.isHere() {
			return errors.New("a move has a place: write place: {distance: 10m}")
		}
		return a.Place.validatePlace()
	case ActSetValue:
		if a.Characteristic == "" {
			return errors.New("set-value has a characteristic: write its name or its UUID")
		}
	case ActSetTable:
		if a.Services == nil {
			return errors.New("set-table has services: write the whole table")
		}
	case ActSetTemper:
		if a.Temper == nil {
			return errors.New("set-temper has a temper: write temper: {} for good behavior")
		}
	case ActFault:
		if a.Fault == nil {
			return errors.New("fault has a fault: write fault: {connect: {times: 1}}")
		}
		_, err := a.Fault.fault()
		return err
	default:
	}
	return nil
}

// ParseAction parses an Action in the syntax of the events of a scenario file: YAML or
// JSON. Addresses of faults may be names of devices.
func (w *World) ParseAction(text []byte) (Action, error) {
	names := map[string]hci.Addr{}
	w.mu.Lock()
	for _, d := range w.devices {
		names[d.name] = d.address()
	}
	w.mu.Unlock()
	var a Action
	_, err := yamlfile.Decode("action", text, &a, reader(names))
	if err == nil {
		err = a.checkFields()
	}
	if err != nil {
		return Action{}, fmt.Errorf("sim: %w", err)
	}
	return a, nil
}

// Do carries an action out. Of the actions, ActSetValue waits until the links of the
// device have accepted the value, and ActSetTable until they know the new table; ctx
// bounds both.
func (w *World) Do(ctx context.Context, a Action) error {
	if err := a.checkFields(); err != nil {
		return fmt.Errorf("sim: action %s: %w", a.Do, err)
	}
	if a.Do.isAboutDevice() {
		return w.doWithDevice(ctx, &a)
	}
	c, err := w.Controller(a.Controller)
	if err != nil {
		return err
	}
	switch a.Do {
	case ActFault:
		f, err := a.Fault.fault()
		if err != nil {
			return fmt.Errorf("sim: action %s: %w", a.Do, err)
		}
		c.Fault(f)
	case ActClearFaults:
		c.ClearFaults()
	case ActUnplug:
		c.Replug(-1, "")
	case ActReplug:
		c.Replug(or(a.For, time.Second), "")
	case ActHang:
		c.Hang()
	case ActCrash:
		c.Crash()
	default:
	}
	return nil
}

func (w *World) doWithDevice(ctx context.Context, a *Action) error {
	switch a.Do {
	case ActPowerOff, ActPowerOn:
		return w.SetPower(a.Device, a.Do == ActPowerOn)
	case ActDropLink:
		return w.KillLinks(a.Device, a.Reason)
	case ActMove:
		return w.Move(a.Device, a.Controller, a.Place.Path(w.air.cfg.Path))
	case ActSetValue:
		return w.SetValue(ctx, a.Device, a.Characteristic, a.Value)
	default:
	}
	d, err := w.findDevice(a.Device)
	if err != nil {
		return err
	}
	if a.Do == ActSetTemper {
		w.air.SetTemper(d.node, *a.Temper)
		return nil
	}
	return d.setServices(ctx, w, a.Services)
}
