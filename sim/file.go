package sim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/yamlfile"
	periph "github.com/moor-ble/moor/peripheral"
)

// scenarioFile is the content of a scenario file. Its fields, and those of all types
// below it, are the keys of the file: MaxLinks is max-links.
type scenarioFile struct {
	Text string // a description for the user
	Seed uint64
	// Loss, RSSI and Noise are the path between two nodes without a place.
	Loss             float64
	RSSI             int8
	Noise            uint8
	ExactAdvertising bool

	Controllers []fileController
	Peripherals []filePeripheral
	Places      []filePlace
	Events      []Action

	doc *yamlfile.Document
}

// fileController is a controller of a scenario file.
type fileController struct {
	Name    string
	Attach  attachment
	Chip    chip
	Version coreVersion
	Faults  []FaultSpec
	ControllerConfig
}

// filePeripheral is a device of a scenario file.
type filePeripheral struct {
	periph.Description
	// Count makes several devices, with a number behind the name. Light makes them
	// Devices, which have a table but do not pair; several are always light.
	Count int
	Light bool
	// Temper is the misbehavior.
	Temper Temper
	// Place is the place relative to all controllers.
	Place Place
	// Controller are the properties of the controller of a device that is not light.
	Controller *ControllerConfig
}

// filePlace is the place of a device relative to a controller.
type filePlace struct {
	Device, Controller string // without a controller, all
	Place
}

// maxDevices is the number of devices that a scenario file may have.
const maxDevices = 2000

// IsFile reports whether the name of a scenario is that of a file: it has a slash, or
// ends in .yaml, .yml or .json.
func IsFile(scenario string) bool {
	switch strings.ToLower(filepath.Ext(scenario)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return strings.ContainsAny(scenario, `/`)
}

// Load reads a scenario file; see ParseFile.
func Load(path string) (Scenario, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("sim: scenario file: %w", err)
	}
	return ParseFile(path, data)
}

// ParseFile parses the content of a scenario file, YAML or JSON: see ExampleFile. The name
// is that of the errors, which have a line and a column. A program that was built with the
// tag minimal refuses all files.
func ParseFile(name string, data []byte) (Scenario, error) {
	f, err := parseScenario(name, data)
	if err != nil {
		return Scenario{}, fmt.Errorf("sim: %w", err)
	}
	base := filepath.Base(name)
	s := Scenario{Name: strings.TrimSuffix(base, filepath.Ext(base)), Text: f.Text, fill: f.fillWorld, file: f}
	s.air = Config{Seed: f.Seed, Path: Path{Loss: f.Loss, RSSI: f.RSSI, RSSINoise: f.Noise}, ExactAdvertising: f.ExactAdvertising}
	return s, nil
}

// Peripherals returns the descriptions of the devices of a scenario file, those with a
// count once; nil for a scenario without a file. They must not be changed.
func (s Scenario) Peripherals() (all []*periph.Description) {
	if s.file == nil {
		return nil
	}
	for i := range s.file.Peripherals {
		all = append(all, &s.file.Peripherals[i].Description)
	}
	return all
}

// parseScenario decodes the file twice, since faults may name a peripheral that comes
// later: the first time only for the addresses of the names.
func parseScenario(name string, data []byte) (*scenarioFile, error) {
	var draft scenarioFile
	if _, err := yamlfile.Decode(name, data, &draft, reader(nil)); err != nil {
		return nil, err
	}
	names := map[string]hci.Addr{}
	for i := range draft.Peripherals {
		p := &draft.Peripherals[i]
		for n := range max(1, p.Count) {
			names[p.nameOf(n)] = p.addressOf(n)
		}
		names[p.Name] = p.addressOf(0)
		if i > maxDevices {
			break // is refused below
		}
	}
	f := &scenarioFile{}
	var err error
	if f.doc, err = yamlfile.Decode(name, data, f, reader(names)); err != nil {
		return nil, err
	}
	if path, err := f.validateFile(); err != nil {
		return nil, f.doc.ErrorAt(path, err)
	}
	return f, nil
}

// nameOf returns the name of the device with number n, from 0.
func (p *filePeripheral) nameOf(n int) string {
	if p.Count <= 1 {
		return p.Name
	}
	return fmt.Sprintf("%s %d", p.Name, n+1)
}

// addressOf returns the identity address of the device with number n.
func (p *filePeripheral) addressOf(n int) hci.Addr {
	d := periph.Description{Name: p.nameOf(n), Address: p.Address}
	if d.Address.Public {
		d.Address = periph.Address{}
		a := d.Own()
		a.Kind = hci.AddrPublic
		return a
	}
	a := d.Own()
	if p.Address.Addr != (hci.Addr{}) {
		low := uint16(a.MAC[0]) | uint16(a.MAC[1])<<8
		low += uint16(n)
		a.MAC[0], a.MAC[1] = byte(low), byte(low>>8)
	}
	return a
}

func (p *filePeripheral) isLight() bool { return p.Light || p.Count > 1 }

// validateFile returns the first mistake with the field in which it is.
func (f *scenarioFile) validateFile() (path string, err error) {
	if err := checkLoss(f.Loss); err != nil {
		return "loss", err
	}
	for i := range f.Controllers {
		if path, err := f.validateController(i); err != nil {
			return fmt.Sprintf("controllers[%d]%s", i, path), err
		}
	}
	names, count := map[string]int{}, 0
	holders := map[hci.Addr]string{}
	for i := range f.Peripherals {
		at := fmt.Sprintf("peripherals[%d]", i)
		p := &f.Peripherals[i]
		if path, err := p.validateDevice(); err != nil {
			return at + path, err
		}
		if first, ok := names[p.Name]; ok {
			return at + ".name", fmt.Errorf("%q is the name of peripherals[%d] too: names are unique", p.Name, first)
		}
		names[p.Name] = i
		if count += max(1, p.Count); count > maxDevices {
			return at, fmt.Errorf("more than %d devices", maxDevices)
		}
		for n := range max(1, p.Count) {
			a := p.addressOf(n)
			if other, ok := holders[a]; ok {
				return at + ".address", fmt.Errorf("%v is the address of %q too: each device has its own", a, other)
			}
			holders[a] = p.nameOf(n)
		}
	}
	for i := range f.Places {
		p := &f.Places[i]
		at := fmt.Sprintf("places[%d]", i)
		if err := f.checkNames(p.Device, p.Controller, true); err != nil {
			return at, err
		}
		if err := p.validatePlace(); err != nil {
			return at, err
		}
	}
	for i := range f.Events {
		if path, err := f.validateEvent(&f.Events[i]); err != nil {
			return fmt.Sprintf("events[%d]%s", i, path), err
		}
	}
	return "", nil
}

func checkLoss(loss float64) error {
	if !(loss >= 0 && loss <= 1) {
		return fmt.Errorf("%v: write a number from 0 to 1", loss)
	}
	return nil
}

func (f *scenarioFile) validateController(i int) (string, error) {
	c := &f.Controllers[i]
	if c.Name == "" {
		return "", errors.New("the controller has no name: write name: hci0, or another one")
	}
	for j := range i {
		if f.Controllers[j].Name == c.Name {
			return ".name", fmt.Errorf("%q is the name of controllers[%d] too: names are unique", c.Name, j)
		}
	}
	for j := range c.Faults {
		if _, err := c.Faults[j].fault(); err != nil {
			return fmt.Sprintf(".faults[%d]", j), err
		}
	}
	return "", nil
}

func (p *filePeripheral) validateDevice() (string, error) {
	switch {
	case p.Name == "":
		return "", errors.New("the peripheral has no name: write name: Thermometer, or another one")
	case p.Count < 0 || p.Count > maxDevices:
		return ".count", fmt.Errorf("%d: write 1 to %d", p.Count, maxDevices)
	case p.isLight() && p.Pairing.Method != periph.NoPairing:
		return ".pairing", errors.New("a light device does not pair: leave out light and count")
	case p.isLight() && (p.Advertising.Extended || p.Advertising.Coded || len(p.Advertising.Sets) > 0):
		return ".advertising", errors.New("a light device has one set of legacy packets: leave out light and count")
	case p.isLight() && p.Controller != nil:
		return ".controller", errors.New("a light device has no controller: leave out light and count")
	}
	d := p.Description
	d.Name = p.nameOf(max(0, p.Count-1)) // the longest one
	if err := d.Validate(); err != nil {
		if e, ok := errors.AsType[*periph.FieldError](err); ok {
			return "." + e.Path, e.Err
		}
		return "", err
	}
	for i := range p.Services {
		for j := range p.Services[i].Characteristics {
			if k := p.Services[i].Characteristics[j].Behavior.Kind; p.isLight() && k == periph.Echo {
				return fmt.Sprintf(".services[%d].characteristics[%d].behavior", i, j), fmt.Errorf("a light device has no %s: leave out light and count", k)
			}
		}
	}
	if err := p.Place.validatePlace(); err != nil {
		return ".place", err
	}
	return "", nil
}

// checkNames checks the names of a device and a controller; the empty name of a
// controller means all or the first.
func (f *scenarioFile) checkNames(device, controller string, needDevice bool) error {
	if device != "" || needDevice {
		if _, ok := f.deviceNamed(device); !ok {
			var names []string
			for i := range f.Peripherals[:min(len(f.Peripherals), maxNamed)] {
				names = append(names, f.Peripherals[i].nameOf(0))
			}
			return fmt.Errorf("no device %q: there are %s", device, strings.Join(names, ", "))
		}
	}
	if controller == "" {
		return nil
	}
	var names []string
	for i := range f.Controllers {
		if f.Controllers[i].Name == controller {
			return nil
		}
		names = append(names, f.Controllers[i].Name)
	}
	if names == nil {
		names = []string{defaultController}
		if controller == defaultController {
			return nil
		}
	}
	return fmt.Errorf("no controller %q: there are %s", controller, strings.Join(names, ", "))
}

// deviceNamed returns the peripheral to which the device of a name belongs.
func (f *scenarioFile) deviceNamed(name string) (*filePeripheral, bool) {
	for i := range f.Peripherals {
		p := &f.Peripherals[i]
		for n := range max(1, p.Count) {
			if p.nameOf(n) == name {
				return p, true
			}
		}
	}
	return nil, false
}

// defaultController is the name of the controller of a scenario that names none.
const defaultController = "sim"
