package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// ownPrivate changes the private address of this host at a fixed interval.
type ownPrivate struct {
	c     *core
	next  func() hci.MAC // returns the next address; nil disables private addresses
	every time.Duration  // the interval
	timer timer
}

func (p *ownPrivate) init(c *core) {
	p.c = c
	p.timer.f = func(time.Time) {
		p.useNextAddress(p.next, p.every, func(err error) {
			if err != nil && p.c.err == nil {
				p.c.log.Log(p.c.ctx, LevelController, "own address not changed", "error", err)
			}
		})
	}
}

// UsePrivateAddresses makes the controller scan, connect and advertise with private
// addresses (Vol 3, Part C, 10.7; Vol 6, Part B, 1.3.2). It returns once the first
// one is in use; an error leaves the address unchanged. Info.Address does not
// change.
//
// next returns the address to use, resolvable or non-resolvable. It is called at
// once and then at the interval every, 1 s to 1 h (the specification recommends
// 15 min). It is called on the loop and must not block.
//
// Scans, dials and advertising pause for the few commands of a change; links are
// not affected. On a controller that does not report the end of a canceled
// initiation, the change waits for the end of the present dial. A change that the
// controller refuses is tried again at the next interval.
func (ctl *Controller) UsePrivateAddresses(ctx context.Context, next func() hci.MAC, every time.Duration) error {
	if err := hci.CheckPrivateAddressTimeout(every); err != nil {
		return err
	}
	_, err := askLoop(ctx, &ctl.core, wrapDuring(ctx, "use private addresses"), func(_ func() bool, done func(hci.None, error)) {
		ctl.core.private.useNextAddress(next, every, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// OwnAddress returns the address in use on air: Info.Address or a private address.
func (ctl *Controller) OwnAddress(ctx context.Context) (hci.Addr, error) {
	return askLoop(ctx, &ctl.core, wrapDuring(ctx, "own address"), func(_ func() bool, done func(hci.Addr, error)) { done(ctl.core.own, nil) })
}

// useNextAddress sets the next address and starts the timer for the one after it.
func (p *ownPrivate) useNextAddress(next func() hci.MAC, every time.Duration, done func(error)) {
	c := p.c
	c.quiet.addJob(func(done func(error)) {
		a := hci.Addr{MAC: next(), Kind: hci.AddrRandom}
		if !a.IsResolvable() && !a.IsNonResolvable() {
			done(fmt.Errorf("controller: %v is not a private address", a))
			return
		}
		c.runCommand(hci.LESetRandomAddress{Addr: a.MAC}, func(_ time.Time, _ []byte, err error) {
			if err == nil {
				c.own = a
				c.adv.noteAddressChange()
				p.next, p.every = next, every
			}
			done(err)
		})
	}, func(err error) {
		done(err)
		if c.err == nil && p.next != nil {
			c.timers.setTimer(&p.timer, c.now.Add(p.every))
		}
	})
}

// stopRotation ends the changes of the address.
func (p *ownPrivate) stopRotation() { p.c.timers.stopTimer(&p.timer) }
