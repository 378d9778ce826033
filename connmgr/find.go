package connmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// lately is how long ago a device may have been heard to count as being there.
const lately = 10 * time.Second

// Find returns the first device for which match reports true, such as
// Named("Thermometer") or any function of the program. Devices heard within the
// last ten seconds are asked about first, the one heard last first; then Find
// scans on all adapters until ctx ends, or until no adapter can scan. The error
// is then a *FindError. match runs on the caller's goroutine.
func (m *Manager) Find(ctx context.Context, match func(Device) bool) (Device, error) {
	known := m.Devices()
	slices.SortStableFunc(known, func(a, b Device) int { return b.Seen.Compare(a.Seen) })
	heard := map[hci.Addr]bool{}
	for _, d := range known {
		if time.Since(d.Seen) >= lately {
			break
		}
		if match(d) {
			return d, nil
		}
		heard[d.Addr] = true
	}
	defer m.duty.beginWait()()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if m.awaitDeaf(ctx) {
			cancel(errNoneScans)
		}
	}()
	deaf := map[string]error{}
	for r, err := range m.Scan(ctx, &ScanOptions{Passive: m.cfg.PassiveScan, Duplicates: true}) {
		if lost, ok := errors.AsType[*AdapterError](err); ok {
			if deaf[r.Adapter] = err; lost.Err == nil {
				delete(deaf, r.Adapter)
			}
			continue
		}
		if err != nil {
			m.addRefusals(deaf)
			return Device{}, &FindError{Heard: len(heard), Deaf: sortedErrors(deaf), Err: err}
		}
		if r.Addr.Kind == hci.AddrAnonymous {
			continue
		}
		heard[r.Addr] = true
		if d := m.deviceOf(&r); match(d) {
			return d, nil
		}
	}
	return Device{}, errManagerClosed // not reached: the last pair has an error
}

// errNoneScans ends a Find that no adapter can serve.
var errNoneScans = errors.New("no adapter scans")

// addRefusals replaces the errors of adapters that were down, and now refuse to scan.
func (m *Manager) addRefusals(deaf map[string]error) {
	for name := range deaf {
		if a := m.Adapter(name); a.up() != nil && a.ScanErr() != nil {
			deaf[name] = &AdapterError{name, AdapterUp, a.ScanErr()}
		}
	}
}

// deviceOf returns the device of a report, with the name and data of its earlier ones.
func (m *Manager) deviceOf(r *Report) Device {
	d := newDevice(r.Adapter)
	if known, ok := m.DeviceByAdapter(r.Addr.String(), r.Adapter); ok {
		d = &known
	}
	if d.Seen.Before(r.Time) {
		d.update(r.Addr, &r.Report, r.Time)
	}
	return *d
}

// sortedErrors returns the errors in the order of their keys.
func sortedErrors(by map[string]error) []error {
	var names []string
	for name := range by {
		names = append(names, name)
	}
	slices.Sort(names)
	var errs []error
	for _, name := range names {
		errs = append(errs, by[name])
	}
	return errs
}

// Named returns a function for Find that matches devices with this name.
func Named(name string) func(Device) bool {
	return func(d Device) bool { return d.Name == name }
}

// Advertises returns a function for Find that matches devices which advertise
// this service.
func Advertises(service uuid.UUID) func(Device) bool {
	return func(d Device) bool { return d.Data.HasService(service) || d.Response.HasService(service) }
}

// FindError reports that Find was ended before a device matched. It unwraps to
// ErrNotFound and to Err.
type FindError struct {
	Heard int     // the number of other devices that were heard
	Deaf  []error // an *AdapterError for each adapter that did not scan
	Err   error   // the end of ctx or of the Manager, or that no adapter scans
}

// Error returns the number of devices heard, the end of the search, and the
// adapters that did not scan.
func (e *FindError) Error() string {
	var b strings.Builder
	switch e.Heard {
	case 0:
		b.WriteString("connmgr: device not found: no device was heard")
	case 1:
		b.WriteString("connmgr: device not found: 1 device was heard, which does not match")
	default:
		fmt.Fprintf(&b, "connmgr: device not found: %d devices were heard, none of which matches", e.Heard)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	for _, err := range e.Deaf {
		b.WriteString("; " + strings.TrimPrefix(err.Error(), "connmgr: "))
	}
	return b.String()
}

// Unwrap makes errors.Is find ErrNotFound and the cause.
func (e *FindError) Unwrap() []error { return []error{ErrNotFound, e.Err} }
