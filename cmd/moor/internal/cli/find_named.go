package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
)

// nameTime is how long others of the same name are listened for, once a device is heard. It
// exceeds the intervals of most devices.
const nameTime = 2 * time.Second

// findNamed replaces the name that the command line has for a device by the address of the
// one device that has it. Without a name it does nothing.
func (a *app) findNamed(ctx context.Context, m *connmgr.Manager, p *peer) error {
	name := p.Addr.Name
	if name == "" {
		return nil
	}
	a.note("searching for %s", strconv.Quote(name))
	limit := findTime
	if p.Within > 0 {
		limit = min(limit, time.Duration(p.Within))
	}
	within, cancel := context.WithTimeoutCause(ctx, limit, errNotSeen)
	defer cancel()
	first, err := m.Find(within, func(d connmgr.Device) bool { return strings.EqualFold(d.Name, name) })
	if err != nil && ctx.Err() == nil && errors.Is(err, errNotSeen) {
		return &notSeenError{strconv.Quote(text.Clean(name)), limit, false}
	}
	if err != nil {
		return err
	}
	all := append([]hci.Addr{first.Addr}, othersNamed(ctx, m, name, first.Addr)...)
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if len(all) > 1 {
		return &sameNameError{name, all}
	}
	p.Addr = deviceArg{peerArg: peerArg{Addr: first.Addr, Known: true}}
	return nil
}

// othersNamed listens for nameTime and returns the addresses of the devices with a name,
// other than first.
func othersNamed(ctx context.Context, m *connmgr.Manager, name string, first hci.Addr) (others []hci.Addr) {
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	for r, err := range m.Scan(ctx, &connmgr.ScanOptions{Duplicates: true}) {
		if _, lost := errors.AsType[*connmgr.AdapterError](err); lost {
			continue
		}
		if err != nil {
			break // the time is over
		}
		called := r.Name()
		if d, ok := m.Device(r.Addr.String()); ok && called == "" {
			called = d.Name
		}
		if strings.EqualFold(called, name) && r.Addr != first && !slices.Contains(others, r.Addr) {
			others = append(others, r.Addr)
		}
	}
	return others
}

// sameNameError says that several devices have the name on the command line.
type sameNameError struct {
	name string
	all  []hci.Addr
}

func (e *sameNameError) Error() string {
	slices.SortFunc(e.all, func(x, y hci.Addr) int { return strings.Compare(x.String(), y.String()) })
	var b strings.Builder
	fmt.Fprintf(&b, "%d devices are named %s", len(e.all), strconv.Quote(text.Clean(e.name)))
	for _, addr := range e.all {
		b.WriteString("\n  " + addr.String())
	}
	return b.String()
}
