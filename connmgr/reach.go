package connmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

const (
	// moveAfter is how long another adapter must have heard the device before a dial moves
	// to it. The dialing adapter may need as long to report its link.
	moveAfter = 250 * time.Millisecond
	// refusesFor is how long a device must have advertised as not connectable, and nothing
	// else, before an attempt ends for that reason.
	refusesFor = 5 * time.Second
)

// errDialMoved ends a dial in favor of another adapter.
var errDialMoved = errors.New("dial moves to an adapter that hears the device")

// UnreachableError is the error of an attempt to connect to a device that is on air, but
// cannot be connected to. No further attempt follows.
type UnreachableError struct {
	// Heard is the address in the advertisements. If its kind is the one asked for, the
	// device advertises as not connectable.
	Heard hci.Addr
	// Wanted is the address that the caller has given.
	Wanted hci.Addr
}

// Error returns the address on air, or that the device is not connectable.
func (e *UnreachableError) Error() string {
	if e.otherKind() {
		return fmt.Sprintf("no device %v is heard, but %v is", e.Wanted, e.Heard)
	}
	return "the device advertises as not connectable"
}

func (e *UnreachableError) otherKind() bool { return e.Heard.Kind != e.Wanted.Kind }

// class returns the class of the error.
func (e *UnreachableError) class() errclass.Class {
	if e.otherKind() {
		return errclass.Class{
			Row: "other kind of address", Category: errclass.NotFound,
			Advice: fmt.Sprintf("give the address as %v, or without a kind", e.Heard),
		}
	}
	return errclass.Class{
		Row: "not connectable", Category: errclass.Connection,
		Advice: "wake the device or press its button; it may be connected to another host",
	}
}

// checkReach returns an *UnreachableError if the device is on air but cannot be connected
// to.
func (x *attempts) checkReach() error {
	now := time.Now()
	heard, accepts, refuses := false, false, hci.Addr{}
	x.m.devices.visitHeard(x.target, func(d *Device) bool {
		heard = true
		if now.Sub(d.Seen) < lately && !d.refuses.IsZero() && d.Seen.Sub(d.refuses) >= refusesFor {
			refuses = d.Addr
		}
		accepts = now.Sub(d.accepts) < refusesFor
		return !accepts
	})
	if !heard && x.target.known {
		if d, ok := x.m.devices.latestOf(target{addr: x.target.addr}, true); ok && now.Sub(d.Seen) < lately {
			return &UnreachableError{Heard: d.Addr, Wanted: x.target.addr}
		}
	}
	if !accepts && refuses != (hci.Addr{}) {
		return &UnreachableError{Heard: refuses, Wanted: refuses}
	}
	return nil
}

// checkPath is checkReach, unless the policy is that of bleak-retry-connector.
func (x *attempts) checkPath() error {
	if x.policy.NoWake {
		return nil
	}
	return x.checkReach()
}

// dialInReach makes the link over an adapter. It ends with errDialMoved as soon as another
// adapter with a free slot has heard the device and this one has not, and with an
// *UnreachableError.
func (x *attempts) dialInReach(ctx context.Context, a *Adapter) (*host.Host, *host.Conn, error) {
	if x.policy.NoWake {
		return x.dialDevice(ctx, a)
	}
	if err := x.checkForeign(ctx, a); err != nil {
		return nil, nil, err
	}
	dial, cancel := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := x.watchDial(dial, a)
		cancel(err)
		ended <- err
	}()
	h, conn, err := x.dialDevice(dial, a)
	cancel(nil)
	if cause := <-ended; err != nil && cause != nil {
		err = cause
	}
	return h, conn, err
}

// isPathFault reports whether a failure tells against the path to the device: the link
// was not made, or was lost. A refusal by the device is the same over any adapter.
func isPathFault(err error) bool {
	if down, ok := errors.AsType[*controller.DisconnectError](err); ok {
		lost := []hci.Status{hci.StatusConnectionTimeout, hci.StatusFailedToEstablish, hci.StatusLLResponseTimeout}
		return slices.Contains(lost, down.Reason)
	}
	_, ok := errors.AsType[*controller.ConnectError](err)
	return ok
}

// watchDial returns the reason to give up a dial over an adapter; nil when ctx ends.
func (x *attempts) watchDial(ctx context.Context, a *Adapter) error {
	var move <-chan time.Time
	hears := x.isHeardBy(a)
	for {
		// A connectable report is of interest only as long as the dial may move.
		mayMove := !hears
		heard, stop := x.m.devices.awaitReport(waiter{
			target: target{addr: x.target.addr}, all: true,
			wants: func(_ string, r *controller.Report) bool {
				return mayMove || !r.Connectable || x.target.known && r.Addr.Identity().Kind != x.target.addr.Identity().Kind
			},
		})
		if err := x.checkReach(); err != nil {
			stop()
			return err
		}
		if hears = hears || x.isHeardBy(a); !hears && move == nil && x.heardElsewhere(a) {
			move = time.After(moveAfter)
		}
		select {
		case <-heard:
		case <-move:
			if move = nil; x.heardElsewhere(a) {
				stop()
				return errDialMoved
			}
		case <-ctx.Done():
			stop()
			return nil
		}
		stop()
	}
}

// isHeardBy reports whether an adapter hears the device.
func (x *attempts) isHeardBy(a *Adapter) bool { return x.m.devices.isFresh(x.target, a.name) }

// heardElsewhere reports whether adapter a has not heard the device, while others with a
// free slot have.
func (x *attempts) heardElsewhere(a *Adapter) bool {
	ranked, err := x.m.rankAdapters(x.target, nil, "", x.opts)
	if err != nil || slices.Contains(ranked, a) {
		return false
	}
	return slices.ContainsFunc(ranked, func(b *Adapter) bool { return x.m.slots.Room(b.name) })
}
