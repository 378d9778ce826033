package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

// findTime is how long a device is searched for on air to learn the kind of its
// address. Advertising intervals go up to 10.24 s; few devices use more than 2 s.
const findTime = 10 * time.Second

// establish connects to the device at p. Options that o leaves unset come from
// the command line.
func (a *app) establish(ctx context.Context, m *connmgr.Manager, p *peer, o connmgr.Options) (*connmgr.Client, error) {
	start := time.Now()
	address, err := a.locate(ctx, m, p)
	if err != nil {
		return nil, err
	}
	a.setOptions(&o, p)
	if p.Within > 0 {
		o.Timeout = max(time.Duration(p.Within)-time.Since(start), time.Millisecond)
	}
	c, err := m.Establish(ctx, address, &o)
	failed, ok := errors.AsType[*connmgr.EstablishError](err)
	if ok && p.Within > 0 && errors.Is(failed.Err, context.DeadlineExceeded) && time.Since(start) >= time.Duration(p.Within) {
		failed.Err = &withinError{time.Duration(p.Within), failed.Err}
	}
	return c, a.nameOtherBond(m, p, err)
}

// withinError says that --timeout is over. The error of Establish, which it wraps, has
// only the time that the search has left.
type withinError struct {
	within time.Duration
	err    error
}

func (e *withinError) Error() string { return fmt.Sprintf("not connected within %v", e.within) }
func (e *withinError) Unwrap() error { return e.err }

// setOptions sets the options that the command line has for every connection.
func (a *app) setOptions(o *connmgr.Options, p *peer) {
	o.MaxAttempts, o.DisableCache = int(p.Attempts), o.DisableCache || p.NoCache
	a.setPairing(o, p)
}

// locate returns the address of p with its kind. If the command line leaves the kind
// out, it is that of the device's last advertisement, or else of its next one. If there
// are several adapters, locate also waits until one of them receives the device; and if
// the device uses private addresses, until it advertises under the present one.
func (a *app) locate(ctx context.Context, m *connmgr.Manager, p *peer) (string, error) {
	if err := a.findNamed(ctx, m, p); err != nil {
		return "", err
	}
	address := p.Addr.String()
	known := p.Addr.Known
	if d, ok := m.Device(address); ok && !known {
		address, known = d.Addr.String(), true
	}
	if known && len(m.Adapters()) == 1 && !usesPrivateAddresses(m, &p.Addr.peerArg) {
		return address, nil
	}
	a.note("searching for %s", p.Addr.Addr.MAC)
	limit := findTime
	if p.Within > 0 {
		limit = min(limit, time.Duration(p.Within))
	}
	within, cancel := context.WithTimeoutCause(ctx, limit, errNotSeen)
	defer cancel()
	d, err := m.WaitFor(within, address)
	_, deaf := errors.AsType[*connmgr.AdapterError](err)
	switch {
	case err == nil:
		return d.Addr.String(), nil
	case known && (deaf || errors.Is(err, errNotSeen)): // it is dialed unseen
		return address, nil
	case deaf || !errors.Is(err, errNotSeen):
		return "", err
	}
	// The wait has heard all advertisements of the device, if there were any.
	heard, ok := m.Device(address)
	return "", &notSeenError{p.Addr.Addr.MAC.String(), limit, ok && !heard.Connectable && time.Since(heard.Seen) < limit}
}

// usesPrivateAddresses reports whether a bond of an adapter resolves private addresses of
// the device.
func usesPrivateAddresses(m *connmgr.Manager, p *peerArg) bool {
	kinds := []hci.AddrKind{hci.AddrPublic, hci.AddrRandom}
	if p.Known {
		kinds = []hci.AddrKind{p.Addr.Kind}
	}
	for _, adapter := range m.Adapters() {
		bonds := adapter.Bonds()
		for _, kind := range kinds {
			if bonds == nil {
				break
			}
			if b, ok := bonds.Find(hci.Addr{MAC: p.Addr.MAC, Kind: kind}); ok && !b.IRK.IsZero() {
				return true
			}
		}
	}
	return false
}

var errNotSeen = errors.New("not seen")

// notSeenError says that a device did not advertise, or not as connectable.
type notSeenError struct {
	device string // its address, or its name in quotes
	time   time.Duration
	heard  bool // it is on air, but not connectable
}

func (e *notSeenError) Error() string {
	if e.heard {
		return fmt.Sprintf("%s is on air, but did not advertise as connectable within %v", e.device, e.time)
	}
	return fmt.Sprintf("%s was not seen on air within %v", e.device, e.time)
}
