package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// ownPrivate is the use of private addresses of its own, each for a time.
type ownPrivate struct {
	c     *core
	next  func() hci.MAC // nil: the address stays
	every time.Duration  // until the next one
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

// UsePrivateAddresses has the device scan, connect and advertise under private
// addresses from now on (Vol 3, Part C, 10.7; Vol 6, Part B, 1.3.2): next makes
// one at once and after each time of every, which is 1 s to 1 h and by the
// specification's advice 15 min. It is called on the loop, must not wait, and
// returns a resolvable or non-resolvable private address. To change the address,
// scans, dials and advertising pause for some commands; links are not touched.
// On a controller that does not report the end of a canceled dial, an address
// stays until the dial under way has ended. A change that the controller refuses
// is tried again after the next time of every.
//
// UsePrivateAddresses returns when the first one is in use. An error leaves the
// address as it was. Info.Address stays what it was.
func (ctl *Controller) UsePrivateAddresses(ctx context.Context, next func() hci.MAC, every time.Duration) error {
	if err := hci.CheckPrivateAddressTimeout(every); err != nil {
		return err
	}
	_, err := askLoop(ctx, &ctl.core, wrapDuring(ctx, "use private addresses"), func(_ func() bool, done func(hci.None, error)) {
		ctl.core.private.useNextAddress(next, every, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// OwnAddress returns the address that the device uses on air now: Info.Address,
// or a private one.
func (ctl *Controller) OwnAddress(ctx context.Context) (hci.Addr, error) {
	return askLoop(ctx, &ctl.core, wrapDuring(ctx, "own address"), func(_ func() bool, done func(hci.Addr, error)) { done(ctl.core.own, nil) })
}

// use puts the next address in force, and sets the time for the one after it.
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
				c.adv.fresh = c.adv.opts != nil // an advertising set has an address of its own
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

func (p *ownPrivate) stopRotation() { p.c.timers.stopTimer(&p.timer) }
