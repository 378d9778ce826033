package connmgr

import (
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
	// StepSecondDiscovery is the second discovery of a table that lacks the Database Hash
	// that the device states, in case the table has changed during the first one. Without
	// it, the hash counts as wrong at once. Either way, such a table is not cached.
	StepSecondDiscovery Step = "second-discovery"
	// StepServiceChanged is the request to indicate changes of the table.
	StepServiceChanged Step = "service-changed"
	// StepEATT is the use of enhanced ATT bearers on an encrypted link, so that several
	// requests are outstanding at a time. Without it, the link has one bearer.
	StepEATT Step = "eatt"
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
// device's cache. The trait of a private address is in memory alone.
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

// traits is the memory of the steps that devices could not take. If dir is set, the file
// there follows, which other processes may change. A private address has its traits in
// memory alone, since another device may have it later. Some devices keep such an address
// all the same.
type traits struct {
	dir    string
	writer *stateWriter
	write  *stateWrite

	mu        sync.Mutex
	all       []DeviceTraits // guarded by mu, as all below
	private   []DeviceTraits // of private addresses
	unwritten []traitChange  // not in the file yet, the oldest first
}

// traitChange is a change of the traits of one device. It is made in memory and in the
// file.
type traitChange struct {
	device hci.Addr
	// change reports whether it has changed anything. It must depend on nothing else.
	change func(*DeviceTraits) bool
}

// loadTraits restores the traits that are kept in a state directory. A file that cannot
// be read counts as none: the devices fail the same steps again.
func loadTraits(dir string, w *stateWriter) *traits {
	ts := &traits{dir: dir, writer: w}
	ts.write = &stateWrite{failure: "traits of devices not kept", run: ts.writeTraits}
	if dir != "" {
		var err error
		if ts.all, err = KeptTraits(dir); err != nil {
			w.log.Warn("traits of devices not restored", "error", err)
		}
	}
	return ts
}

// traitsOf returns the traits of t that are not forgotten, in the order of their steps.
func (ts *traits) traitsOf(t target) []Trait {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var found []Trait
	for _, d := range slices.Concat(ts.all, ts.private) {
		if t.matches(d.Address) {
			found = append(found, d.Traits...)
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
	now := time.Now()
	ts.changeTraits(device, func(d *DeviceTraits) bool {
		d.Table = table
		i := slices.IndexFunc(d.Traits, func(tr Trait) bool { return tr.Step == s })
		if i < 0 {
			i = len(d.Traits)
			d.Traits = append(d.Traits, Trait{Step: s})
		}
		tr := &d.Traits[i]
		tr.Seen, tr.Times, tr.Why = now, tr.Times+1, why
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
			forgot := ts.changeTraits(hci.Addr{MAC: t.addr.MAC, Kind: k}, func(d *DeviceTraits) bool {
				some := len(d.Traits) > 0
				d.Traits = nil
				return some
			})
			had = had || forgot
		}
	}
	return had
}

// changeTraits makes a change of the traits of a device, and reports whether there was
// any.
func (ts *traits) changeTraits(device hci.Addr, change func(*DeviceTraits) bool) bool {
	c := traitChange{device, change}
	memory, file := &ts.all, ts.dir != ""
	if device.IsResolvable() || device.IsNonResolvable() {
		memory, file = &ts.private, false
	}
	if !ts.changeMemory(memory, c, file) {
		return false
	}
	if file {
		ts.writer.requestWrite(ts.write)
	}
	return true
}

// changeMemory makes a change in ts.all or ts.private. file reports whether the file
// follows.
func (ts *traits) changeMemory(all *[]DeviceTraits, c traitChange, file bool) (changed bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	trial := DeviceTraits{}
	i := slices.IndexFunc(*all, func(d DeviceTraits) bool { return d.Address == c.device })
	if i >= 0 {
		trial = (*all)[i].clone()
	}
	if !c.change(&trial) {
		return false
	}
	*all = c.apply(*all)
	if file {
		ts.unwritten = append(ts.unwritten, c)
		ts.unwritten = ts.unwritten[max(0, len(ts.unwritten)-maxUnwritten):]
	}
	return true
}

// writeTraits makes the changes in the file. They wait for the next call if that fails.
func (ts *traits) writeTraits() error {
	ts.mu.Lock()
	changes := slices.Clone(ts.unwritten)
	ts.unwritten = nil
	ts.mu.Unlock()
	all, err := updateTraits(ts.dir, func(all []DeviceTraits) []DeviceTraits { return applyChanges(all, changes) })
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if err != nil {
		all := append(changes, ts.unwritten...)
		ts.unwritten = all[max(0, len(all)-maxUnwritten):]
		return err
	}
	ts.all = applyChanges(all, ts.unwritten)
	return nil
}

// applyChanges returns all traits after changes.
func applyChanges(all []DeviceTraits, changes []traitChange) []DeviceTraits {
	for _, c := range changes {
		all = c.apply(all)
	}
	return all
}

func (d *DeviceTraits) clone() DeviceTraits {
	return DeviceTraits{d.Address, d.Table, slices.Clone(d.Traits)}
}

// apply returns all traits after the change, without expired traits and without the
// oldest devices beyond maxTraits.
func (c *traitChange) apply(all []DeviceTraits) []DeviceTraits {
	all = slices.Clone(all)
	for i := range all {
		all[i].Traits = slices.DeleteFunc(slices.Clone(all[i].Traits), func(tr Trait) bool { return time.Since(tr.Seen) >= traitLife })
	}
	i := slices.IndexFunc(all, func(d DeviceTraits) bool { return d.Address == c.device })
	if i < 0 {
		i = len(all)
		all = append(all, DeviceTraits{Address: c.device})
	}
	c.change(&all[i])
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
