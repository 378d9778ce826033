package connmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// adapterSystem is the part of a system by which its adapters are brought back.
type adapterSystem struct {
	adapters func() ([]hcisock.Adapter, error)
	links    func(index int) ([]hcisock.KernelLink, error)
	up, down func(index int) error
	unblock  func(index int) error
	findUSB  func(port string) (hcisock.USBDevice, error)
	drivers  func(d hcisock.USBDevice) []string
	resetUSB func(ctx context.Context, d hcisock.USBDevice) error
}

var systemAdapters = adapterSystem{
	adapters: hcisock.Adapters, links: hcisock.Links, up: hcisock.Up, down: hcisock.Down, unblock: hcisock.Unblock,
	findUSB: hcisock.FindUSBDevice, drivers: hcisock.USBDevice.Drivers,
	resetUSB: func(ctx context.Context, d hcisock.USBDevice) error { return d.Reset(ctx) },
}

// hciRecoverer is the Recoverer of an adapter of the system.
type hciRecoverer struct {
	system adapterSystem
	// noted is the adapter when it was seen last. Its USB device is zero if it has none.
	noted hcisock.Adapter
}

// comesBack bounds the wait for an adapter whose port was reset. On slow machines, the
// adapter was seen to be away for 7 s. startsWithin is the time for the start of an adapter
// that has no address, which would mark its end.
const (
	comesBack    = 12 * time.Second
	startsWithin = 2 * time.Second
	lookAgain    = 100 * time.Millisecond
)

// NoteOpened implements Recoverer.
func (r *hciRecoverer) NoteOpened(address string) {
	if a, err := r.findAdapter(address); err == nil {
		r.noted = a
	}
}

// Recover implements Recoverer.
func (r *hciRecoverer) Recover(ctx context.Context, address string, rung Rung) error {
	switch rung {
	case RungPowerCycle:
		a, err := r.findAdapter(address)
		if err != nil {
			return err
		}
		r.noted = a
		return inBackground(ctx, func() error { return r.cyclePower(a) })
	case RungUSBReset:
		return r.resetPort(ctx, address)
	case RungReopen:
	}
	return fmt.Errorf("%w: the adapter has no such rung", ErrNoRung)
}

// inBackground runs f, which cannot be interrupted, and returns its error, or that of ctx
// when that ends.
func inBackground(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errNotThere reports that an adapter is not among those of the system.
var errNotThere = fmt.Errorf("%w: the adapter is not there", ErrNoRung)

// findAdapter returns the adapter at an address, unless another program uses it.
func (r *hciRecoverer) findAdapter(address string) (hcisock.Adapter, error) {
	want, err := hcisock.ParseAddress(address)
	if err != nil {
		return hcisock.Adapter{}, err
	}
	if want.Kind != hcisock.KindIndex && want.Kind != hcisock.KindMAC {
		return hcisock.Adapter{}, fmt.Errorf("%w: the system does not have the adapter, which is a stream", ErrNoRung)
	}
	as, err := r.system.adapters()
	if err != nil {
		return hcisock.Adapter{}, fmt.Errorf("%w: %w", ErrNoRung, err)
	}
	i := slices.IndexFunc(as, func(a hcisock.Adapter) bool {
		return want.Kind == hcisock.KindIndex && a.Index == want.Index || want.Kind == hcisock.KindMAC && a.MAC == want.MAC
	})
	if i < 0 {
		return hcisock.Adapter{}, errNotThere
	}
	return as[i], nil
}

// checkUsers returns an error if another program would lose the adapter or links on it.
func (r *hciRecoverer) checkUsers(a hcisock.Adapter) error {
	var who []string
	for _, h := range a.Holders {
		if h.UserChannel {
			who = append(who, h.String())
		}
	}
	if len(who) > 0 || a.UserChannel {
		return fmt.Errorf("%w: another process uses it: %s", ErrNoRung, strings.Join(who, ", "))
	}
	if !a.Up {
		return nil
	}
	if links, err := r.system.links(a.Index); err == nil && len(links) > 0 {
		return fmt.Errorf("%w: other programs have %s on it", ErrNoRung, countText(len(links), "link"))
	}
	return nil
}

// cyclePower lifts a soft block and takes the adapter down and up.
func (r *hciRecoverer) cyclePower(a hcisock.Adapter) error {
	if err := r.checkUsers(a); err != nil {
		return err
	}
	var errs []error
	if a.RFKill.Soft {
		errs = append(errs, r.system.unblock(a.Index))
	}
	if a.Up {
		errs = append(errs, r.system.down(a.Index))
	}
	return markRefusal(errors.Join(append(errs, r.system.up(a.Index))...))
}

// markRefusal adds ErrNoRung to an error that says that this process lacks a permission.
func markRefusal(err error) error {
	if lacksPermission(err) {
		return fmt.Errorf("%w: %w", ErrNoRung, err)
	}
	return err
}

// resetPort resets the port of the adapter, and waits until the adapter is there again.
func (r *hciRecoverer) resetPort(ctx context.Context, address string) error {
	d, err := r.findDevice(address)
	if err != nil {
		return err
	}
	if others := slices.DeleteFunc(r.system.drivers(d), func(s string) bool { return s == r.noted.Driver }); len(others) > 0 {
		return fmt.Errorf("%w: the USB device at port %s has other functions, of the driver %s", ErrNoRung, d.Port, strings.Join(others, ", "))
	}
	if err := r.system.resetUSB(ctx, d); err != nil {
		return markRefusal(err)
	}
	return r.awaitAdapter(ctx, d.Port)
}

// findDevice returns the USB device of the adapter, even if the adapter itself has
// vanished.
func (r *hciRecoverer) findDevice(address string) (hcisock.USBDevice, error) {
	none := hcisock.USBDevice{}
	a, err := r.findAdapter(address)
	switch {
	case err == nil:
		r.noted = a
		if err := r.checkUsers(a); err != nil {
			return none, err
		}
		if a.USB.Port == "" {
			return none, fmt.Errorf("%w: the adapter is on no USB port (bus %s)", ErrNoRung, a.Bus)
		}
		return a.USB, nil
	case !errors.Is(err, errNotThere) || r.noted.USB.Port == "":
		return none, err
	}
	was := r.noted.USB
	now, err := r.system.findUSB(was.Port)
	switch {
	case err != nil:
		return none, fmt.Errorf("%w: %w", ErrNoRung, err)
	case now.VendorID != was.VendorID || now.ProductID != was.ProductID:
		return none, fmt.Errorf("%w: another device is at USB port %s", ErrNoRung, was.Port)
	case now.Number != was.Number:
		r.noted.USB = now
		return none, fmt.Errorf("%w: the USB device at port %s was plugged in anew, and may be starting", ErrNoRung, was.Port)
	}
	return now, nil
}

// awaitAdapter waits until the adapter at a USB port is there, with the address that the
// kernel reads from it at the end of its start, and lifts a soft block that it may have
// now. An adapter that had no address before the reset need not have one after it.
func (r *hciRecoverer) awaitAdapter(ctx context.Context, port string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, comesBack, fmt.Errorf("the adapter did not come back within %v after the reset of USB port %s", comesBack, port))
	defer cancel()
	blocked, hadAddress := r.noted.RFKill.Soft, r.noted.MAC != hci.MAC{}
	var since time.Time // it has been there; zero: it is not there
	for {
		as, err := r.system.adapters()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(as, func(a hcisock.Adapter) bool { return a.USB.Port == port })
		switch {
		case i < 0:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		if i >= 0 && (as[i].MAC != hci.MAC{} || !hadAddress && time.Since(since) >= startsWithin) {
			r.noted = as[i]
			if r.noted.RFKill.Soft && !blocked {
				return r.system.unblock(r.noted.Index)
			}
			return nil
		}
		if err := sleep(ctx, lookAgain); err != nil {
			return err
		}
	}
}
