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
	// to it. An adapter in range takes the same advertisement for its link, and reports that
	// within this time.
	moveAfter = 50 * time.Millisecond
	// refusesFor is how long a device must have advertised as not connectable before an
	// attempt ends for that reason. Besides, it must not have accepted a connection for
	// onAirFor: one of its advertising sets may be rare.
	refusesFor = 5 * time.Second
)

// errDialMoved ends a dial in favor of another adapter.
var errDialMoved = errors.New("dial moves to an adapter that hears the device")

// errDialAgain ends a dial whose outcome may have been lost.
var errDialAgain = errors.New("dial begins anew after lost packets")

// UnreachableError is the error of an attempt to connect to a device that is on air, but
// cannot be connected to. If it advertises as not connectable, it may wake up: Establish
// goes on for Policy.MinPersistence, and makes the next attempt as soon as the device
// accepts connections. If it has another kind of address, no further attempt follows.
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
		Row: "not connectable", Category: errclass.Connection, Budget: errclass.BudgetConnect,
		Delay: errclass.DelayStack, Backoff: errclass.DefaultBackoffs().For(errclass.DelayStack),
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
		if now.Sub(d.Seen) < lately && !d.refuses.IsZero() && x.m.duty.silence(d.refuses, d.Seen) >= refusesFor {
			refuses = d.Addr
		}
		accepts = x.m.duty.silence(d.accepts, now) < onAirFor
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
// adapter with a free slot hears the device and this one does not, with errDialYields
// when its slot is wanted for a device on air, with errDialAgain when the transport has
// dropped packets, with errDialPassed when another call may use an adapter that hears the
// device and this one does not, and with an *UnreachableError.
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

// watchDial returns the reason to give up a dial over an adapter; nil when ctx ends.
func (x *attempts) watchDial(ctx context.Context, a *Adapter) error {
	var move <-chan time.Time
	drops := x.m.wake.await(news{dropped, a})
	begin := time.Now()
	for {
		mayMove := x.try.dialed+time.Since(begin) < x.policy.AttemptTimeout
		own := x.m.devices.receptionBy(x.target, a.name)
		heard, stop := x.m.devices.awaitReport(waiter{target: target{addr: x.target.addr}, all: true, wants: x.newsOfDial(a, own, mayMove)})
		if err := x.checkReach(); err != nil {
			stop()
			return err
		}
		if move == nil && !own.hears && (x.m.links.isAsked(x.claim) || mayMove && x.heardElsewhere(a)) {
			move = time.After(moveAfter)
		}
		select {
		case <-heard:
		case <-move:
			move = nil
			switch {
			case mayMove && x.heardElsewhere(a):
				stop()
				return errDialMoved
			case x.m.links.isAsked(x.claim) && !x.m.devices.receptionBy(x.target, a.name).hears:
				stop()
				return errDialPassed
			}
		case <-x.claim.asked:
		case <-drops:
			stop()
			return errDialAgain
		case <-x.place.yield:
			if x.isAway([]*Adapter{a}) {
				stop()
				return errDialYields
			}
		case <-ctx.Done():
			stop()
			return nil
		}
		stop()
	}
}

// newsOfDial returns the function that decides whether a report is news for a dial over an
// adapter with its own reception of the device: it shows that the device cannot be connected
// to, or that only others hear it. Connectable reports are of interest only as long as the
// dial may move.
func (x *attempts) newsOfDial(a *Adapter, own reception, mayMove bool) func(adapter string, r *controller.Report) bool {
	return func(adapter string, r *controller.Report) bool {
		switch {
		case !r.Connectable || x.target.known && r.Addr.Identity().Kind != x.target.addr.Identity().Kind:
			return true
		case adapter == a.name:
			own.last = r.Time
			return mayMove && !own.hears
		}
		return mayMove && (!own.hears || r.Time.Sub(own.last) > own.mayMiss)
	}
}

// heardElsewhere reports whether adapter a does not hear the device, while others with a
// free slot do.
func (x *attempts) heardElsewhere(a *Adapter) bool {
	ranked, err := x.m.rankAdapters(x.target, nil, "", x.opts)
	if err != nil || slices.Contains(ranked, a) {
		return false
	}
	return slices.ContainsFunc(ranked, func(b *Adapter) bool { return x.m.slots.Room(b.name) })
}
