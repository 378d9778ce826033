package connmgr

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
)

// whyFalseHash is the reason of the trait StepSecondDiscovery.
const whyFalseHash = "the Database Hash is not that of the table"

// hasFalseHash reports whether two discoveries have shown that the hash of the device is
// not that of the table p.
func (l *link) hasFalseHash(p *gatt.Profile) bool {
	return l.m.traits.isOmitted(l.peer, nameTable(p), StepSecondDiscovery)
}

// noteFalseHash notes that two discoveries have found the table p, and not the one whose
// hash the device states.
func (l *link) noteFalseHash(p *gatt.Profile) {
	name := nameTable(p)
	l.m.traits.dropOutdated(l.peer, name)
	l.m.traits.storeTrait(l.peer, name, StepSecondDiscovery, whyFalseHash)
}

// isOmitted reports whether a step is left out for a device as long as it has the table
// of that name.
func (ts *traits) isOmitted(device hci.Addr, table string, s Step) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := time.Now()
	return slices.ContainsFunc(ts.all, func(d DeviceTraits) bool {
		return d.Address == device && d.Table == table &&
			slices.ContainsFunc(d.Traits, func(tr Trait) bool { return tr.Step == s && now.Before(tr.Until()) })
	})
}
