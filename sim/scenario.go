package sim

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// Scenario is a simulated world that Open knows by name.
type Scenario struct {
	Name string
	Text string // a description for the user
	fill func(ctx context.Context, w *World) error
	air  Config        // as the options say
	file *scenarioFile // nil if it is not from a file
}

// Scenarios returns the scenarios that Open knows. An empty name means the
// first.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "sensors", Text: "a thermometer, a heart rate belt and a lamp", fill: fillSensors},
		{Name: "beacons", Text: "devices that only broadcast: BTHome, RuuviTag, iBeacon, Eddystone", fill: fillBeacons},
		{Name: "empty", Text: "nothing but the controller", fill: fillEmpty},
		{Name: "crowd", Text: "the sensors among 100 devices that advertise", fill: fillCrowd},
		{Name: "flaky", Text: "the sensors, each of which fails the first two connects", fill: fillFlaky},
		{Name: "full", Text: "the sensors, on a controller with a single link", fill: fillFull},
	}
}

// ScenarioOptions are the options of Scenario.Open. The zero value of each field
// is its default.
type ScenarioOptions struct {
	// Bonds is the store of its devices' bonds. Default: in memory, so that bonds
	// are lost when the scenario is closed.
	Bonds smp.OpenStore
	// Passkey is called with the passkey that a device displays. It runs on a
	// goroutine of the pairing and may wait for the user. Default: passkeys are
	// not shown.
	Passkey func(device string, p smp.Passkey)
	// Event is called for each event of the devices of a scenario file and of its timeline,
	// one after the other. It must not block for long, and must not call methods of the
	// World. Default: no call.
	Event func(WorldEvent)
}

// startTime bounds the start of a scenario's devices, in real time. Each takes a
// few milliseconds.
const startTime = 30 * time.Second

// Open makes an air with a controller and the devices of a scenario, and returns
// the controller. Closing the controller closes the air. See ParseScenario for
// the syntax of scenario.
func Open(scenario string) (hci.Transport, error) {
	s, err := ParseScenario(scenario)
	if err != nil {
		return nil, err
	}
	return s.Open(nil)
}

// ParseScenario parses the part of an adapter's address after "sim:": the name of
// a scenario or of a scenario file, with options as in a URL: "crowd?seed=7&loss=0.2".
// IsFile tells the two apart. The options are seed (Config.Seed), loss (Path.Loss) and
// rssi (Path.RSSI), and replace those of a file.
func ParseScenario(scenario string) (Scenario, error) {
	name, query, _ := strings.Cut(scenario, "?")
	find := findScenario
	if IsFile(name) {
		find = Load
	}
	s, err := find(name)
	if err != nil {
		return Scenario{}, err
	}
	if err := s.air.options(query); err != nil {
		return Scenario{}, fmt.Errorf("sim: scenario %s: %w", s.Name, err)
	}
	return s, nil
}

// Open makes the scenario, as the function Open does. A Scenario that does not
// come from ParseScenario, Load or ParseFile needs only its Name. nil options are the
// defaults.
func (s Scenario) Open(o *ScenarioOptions) (hci.Transport, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	w, err := s.OpenWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	return &opened{Controller: w.attachments[0].Controller, world: w}, nil
}

func findScenario(name string) (Scenario, error) {
	all := Scenarios()
	if name == "" {
		return all[0], nil
	}
	var names []string
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("sim: no scenario %q: there are %s", name, strings.Join(names, ", "))
}

// options parses the options of a scenario into c.
func (c *Config) options(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("options %q: write them as in seed=7&loss=0.2", query)
	}
	for k := range values {
		if len(values[k]) > 1 {
			return fmt.Errorf("%s is there twice: leave one of them out", k)
		}
		v, want := values.Get(k), ""
		switch k {
		case "seed":
			c.Seed, err = strconv.ParseUint(v, 10, 64)
			want = "a whole number from 0 to 18446744073709551615"
		case "loss":
			c.Path.Loss, err = strconv.ParseFloat(v, 64)
			if !(c.Path.Loss >= 0 && c.Path.Loss <= 1) {
				err = strconv.ErrRange
			}
			want = "a number from 0 to 1"
		case "rssi":
			var n int64
			n, err = strconv.ParseInt(v, 10, 8)
			c.Path.RSSI = int8(n)
			want = "dBm, from -128 to 127"
		default:
			return fmt.Errorf("no option %q: there are seed, loss and rssi", k)
		}
		if err != nil {
			return fmt.Errorf("%s %q: write %s", k, v, want)
		}
	}
	return nil
}

// opened is the controller of a scenario.
type opened struct {
	*Controller
	world *World
	once  sync.Once
	err   error
}

// Close implements hci.Transport.
func (o *opened) Close() error {
	o.once.Do(func() { o.err = o.world.Close() })
	return o.err
}

// addDevice adds a device to the world.
func (w *World) addDevice(ctx context.Context, cfg *PeripheralConfig) error {
	if sm := cfg.Host.SMP; sm != nil {
		sm.Store = w.opts.Bonds
		if d, ok := sm.Delegate.(display); ok && w.opts.Passkey != nil {
			d.show = func(p smp.Passkey) { w.opts.Passkey(cfg.Name, p) }
			sm.Delegate = d
		}
	}
	p, err := w.air.NewPeripheral(ctx, cfg)
	if err == nil {
		w.addNode(&worldDevice{name: cfg.Name, node: p, p: p})
	}
	return err
}

func fillEmpty(_ context.Context, w *World) error {
	w.addController(&ControllerConfig{Name: "sim"}, "")
	return nil
}

func fillSensors(ctx context.Context, w *World) error {
	w.addController(&ControllerConfig{Name: "sim"}, "")
	return addSensors(ctx, w)
}

func addSensors(ctx context.Context, w *World) error {
	for _, cfg := range []*PeripheralConfig{Thermometer(), HeartRateBelt(), Lamp()} {
		if err := w.addDevice(ctx, cfg); err != nil {
			return err
		}
	}
	return nil
}

func fillCrowd(ctx context.Context, w *World) error {
	c := w.addController(&ControllerConfig{Name: "sim"}, "")
	for i := range 100 {
		f := hci.AdvFields{Flags: hci.FlagNoBREDR, Name: fmt.Sprintf("Tag %02d", i)}
		data, err := f.Append(nil, legacyData)
		if err != nil {
			return err
		}
		p := w.air.NewRawPeer(&RawPeerConfig{Type: hci.AdvNonconnInd, AdvData: data, Interval: time.Second})
		w.addNode(&worldDevice{name: f.Name, node: p})
		w.air.SetPath(c, p, Path{Loss: w.air.cfg.Path.Loss, RSSI: int8(-40 - i/2), RSSINoise: 3})
	}
	return addSensors(ctx, w)
}

func fillFlaky(ctx context.Context, w *World) error {
	if err := fillSensors(ctx, w); err != nil {
		return err
	}
	for _, p := range w.peripherals {
		w.attachments[0].Controller.Fault(ConnectFault{Peer: p.Address(), Times: 2})
	}
	return nil
}

func fillFull(ctx context.Context, w *World) error {
	w.addController(&ControllerConfig{Name: "sim", MaxLinks: 1}, "")
	return addSensors(ctx, w)
}
