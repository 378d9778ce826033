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
	o.MaxAttempts, o.DisableCache = int(p.Attempts), o.DisableCache || p.NoCache
	a.setPairing(&o, p)
	if p.Within > 0 {
		o.Timeout = max(time.Duration(p.Within)-time.Since(start), time.Millisecond)
	}
	return m.Establish(ctx, address, &o)
}

// locate returns the address of p with its kind. If the command line leaves the kind
// out, it is that of the device's last advertisement, or else of its next one. If there
// are several adapters, locate also waits until one of them receives the device.
func (a *app) locate(ctx context.Context, m *connmgr.Manager, p *peer) (string, error) {
	address := p.Addr.String()
	known := p.Addr.Known
	if d, ok := m.Device(address); ok && !known {
		address, known = d.Addr.String(), true
	}
	if known && len(m.Adapters()) == 1 {
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
	return "", &notSeenError{p.Addr.Addr.MAC, limit}
}

var errNotSeen = errors.New("not seen")

// notSeenError says that a device did not advertise.
type notSeenError struct {
	mac  hci.MAC
	time time.Duration
}

func (e *notSeenError) Error() string {
	return fmt.Sprintf("%v was not seen on air within %v", e.mac, e.time)
}
