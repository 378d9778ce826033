package connmgr

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Step is a step of making, settling or guarding a link that is left out for devices
// that cannot take it.
type Step string

// The steps, each with its replacement.
const (
	// StepInitialParams is dialing with the default of Options.InitialParams.
	// Options.SettledParams take their place.
	StepInitialParams Step = "initial-parameters"
	// StepMTU is the exchange of the MTU. Without it, the ATT_MTU stays 23 unless the
	// device asks for another one.
	StepMTU Step = "mtu"
	// StepDiscovery is the discovery of the whole table. Without it, attributes are
	// looked up when they are used, as with Options.DisableDiscovery.
	StepDiscovery Step = "discovery"
	// StepServiceChanged is the request to indicate changes of the table.
	StepServiceChanged Step = "service-changed"
	// StepDataLength is the host's request for longer link layer packets. Controllers may
	// ask for them of their own accord when the link begins.
	StepDataLength Step = "data-length"
	// StepPHY2M is the change to the 2M PHY.
	StepPHY2M Step = "phy-2m"
	// StepSettledParams is the change to Options.SettledParams on a link in use. The
	// link is dialed with them instead, unless Options.InitialParams are set.
	StepSettledParams Step = "settled-parameters"
)

const (
	// traitTrial is how long a step is left out that a device has failed once: the
	// failure may have had another cause.
	traitTrial = time.Hour
	// traitLife is how long a trait is remembered, and how long a step is left out that
	// a device has failed again.
	traitLife = 7 * 24 * time.Hour
	// maxTraits bounds the devices with traits. The oldest go first.
	maxTraits = 1024
)

// Trait is a step that a device could not take. It is left out for an hour after the
// first failure, and for seven days if the device has failed again after that. It is
// forgotten when the device takes the step, when its table changes, and with the
// device's cache.
type Trait struct {
	Step  Step      `json:"step"`
	Seen  time.Time `json:"seen"`  // the last failure
	Times int       `json:"times"` // the number of failures
	Why   string    `json:"why"`   // how the last one ended
}

// Until returns the time until which the step is left out.
func (t *Trait) Until() time.Time {
	if t.Times < 2 {
		return t.Seen.Add(traitTrial)
	}
	return t.Seen.Add(traitLife)
}

// DeviceTraits are the steps that one device could not take.
type DeviceTraits struct {
	Address hci.Addr `json:"address"` // its identity
	// Table is the Database Hash of the table that the device had, in hex; "" if it is
	// not known.
	Table  string  `json:"table,omitempty"`
	Traits []Trait `json:"traits"`
}

// traits is the memory of the steps that devices could not take. If dir is set, the
// memory is the file there, which other processes may change.
type traits struct {
	dir string
	log *slog.Logger

	mu  sync.Mutex
	all []DeviceTraits // guarded by mu
}

// loadTraits restores the traits that are kept in a state directory. A file that cannot
// be read counts as none: the devices fail the same steps again.
func loadTraits(dir string, log *slog.Logger) *traits {
	ts := &traits{dir: dir, log: log}
	if dir != "" {
		var err error
		if ts.all, err = KeptTraits(dir); err != nil {
			log.Warn("traits of devices not restored", "error", err)
		}
	}
	return ts
}

// traitsOf returns the traits of t that are not forgotten, in the order of their steps.
func (ts *traits) traitsOf(t target) []Trait {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var found []Trait
	for i := range ts.all {
		if t.matches(ts.all[i].Address) {
			found = append(found, ts.all[i].Traits...)
		}
	}
	return slices.DeleteFunc(found, func(tr Trait) bool { return time.Since(tr.Seen) >= traitLife })
}

// stepsToOmit returns the steps to leave out for t now.
func (ts *traits) stepsToOmit(t target) []Step {
	var steps []Step
	for _, tr := range ts.traitsOf(t) {
		if time.Now().Before(tr.Until()) {
			steps = append(steps, tr.Step)
		}
	}
	return steps
}

// storeTrait adds a failure of a device, with the given table, to take a step.
func (ts *traits) storeTrait(device hci.Addr, table string, s Step, why string) {
	ts.changeTraits(device, func(d *DeviceTraits) bool {
		d.Table = table
		i := slices.IndexFunc(d.Traits, func(tr Trait) bool { return tr.Step == s })
		if i < 0 {
			i = len(d.Traits)
			d.Traits = append(d.Traits, Trait{Step: s})
		}
		tr := &d.Traits[i]
		tr.Seen, tr.Times, tr.Why = time.Now(), tr.Times+1, why
		return true
	})
}

// dropTraits forgets the failures of a device to take the steps.
func (ts *traits) dropTraits(device hci.Addr, steps ...Step) {
	ts.changeTraits(device, func(d *DeviceTraits) bool {
		n := len(d.Traits)
		d.Traits = slices.DeleteFunc(d.Traits, func(tr Trait) bool { return slices.Contains(steps, tr.Step) })
		return len(d.Traits) != n
	})
}

// dropOutdated forgets the traits of a device whose table is not the one that the traits
// belong to: the device has new firmware.
func (ts *traits) dropOutdated(device hci.Addr, table string) {
	ts.changeTraits(device, func(d *DeviceTraits) bool {
		if len(d.Traits) == 0 || table == "" || d.Table == table {
			return false
		}
		if d.Table != "" {
			d.Traits = nil
		}
		d.Table = table
		return true
	})
}

// forgetTraits forgets the traits of t, and reports whether there were any.
func (ts *traits) forgetTraits(t target) (had bool) {
	for _, k := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
		if !t.known || t.addr.Identity().Kind == k {
			ts.changeTraits(hci.Addr{MAC: t.addr.MAC, Kind: k}, func(d *DeviceTraits) bool {
				had = had || len(d.Traits) > 0
				d.Traits = nil
				return had
			})
		}
	}
	return had
}

// changeTraits calls change with the traits of a device, and stores them if change
// reports true. A device with a private address has no traits: another device may have
// the address later.
func (ts *traits) changeTraits(device hci.Addr, change func(*DeviceTraits) bool) {
	if device.IsResolvable() || device.IsNonResolvable() {
		return
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	trial := DeviceTraits{}
	i := slices.IndexFunc(ts.all, func(d DeviceTraits) bool { return d.Address == device })
	if i >= 0 {
		trial = ts.all[i].clone()
	}
	if !change(&trial) {
		return
	}
	if ts.dir == "" {
		ts.all = withChange(ts.all, device, change)
		return
	}
	all, err := updateTraits(ts.dir, func(all []DeviceTraits) []DeviceTraits { return withChange(all, device, change) })
	if err != nil {
		ts.log.Warn("traits of devices not kept", "error", err)
		all = withChange(ts.all, device, change)
	}
	ts.all = all
}

func (d *DeviceTraits) clone() DeviceTraits {
	return DeviceTraits{d.Address, d.Table, slices.Clone(d.Traits)}
}

// withChange returns all traits after the change of one device, without expired traits
// and without the oldest devices beyond maxTraits.
func withChange(all []DeviceTraits, device hci.Addr, change func(*DeviceTraits) bool) []DeviceTraits {
	all = slices.Clone(all)
	for i := range all {
		all[i].Traits = slices.DeleteFunc(slices.Clone(all[i].Traits), func(tr Trait) bool { return time.Since(tr.Seen) >= traitLife })
	}
	i := slices.IndexFunc(all, func(d DeviceTraits) bool { return d.Address == device })
	if i < 0 {
		i = len(all)
		all = append(all, DeviceTraits{Address: device})
	}
	change(&all[i])
	all = slices.DeleteFunc(all, func(d DeviceTraits) bool { return len(d.Traits) == 0 })
	slices.SortFunc(all, func(a, b DeviceTraits) int { return b.lastSeen().Compare(a.lastSeen()) })
	return all[:min(len(all), maxTraits)]
}

// lastSeen returns the time of the last failure.
func (d *DeviceTraits) lastSeen() (last time.Time) {
	for _, tr := range d.Traits {
		if tr.Seen.After(last) {
			last = tr.Seen
		}
	}
	return last
}

// Traits returns the steps that the device with an address could not take, those of the
// last seven days. It returns nil if there are none, or if the address is invalid.
func (m *Manager) Traits(address string) []Trait {
	t, err := parseTarget(address)
	if err != nil {
		return nil
	}
	return m.traits.traitsOf(t)
}
