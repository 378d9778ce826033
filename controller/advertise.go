package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// AdvertiseOptions holds the options of Advertise. The zero value of a field means
// its default; nil means all defaults.
type AdvertiseOptions struct {
	// Data is the complete advertising data, at most 31 octets; default none.
	// Nothing is added, not even the flags that most centrals look for. Use
	// hci.AdvFields to build it.
	Data     hci.AdvData
	Response hci.AdvData // scan response, at most 31 octets; default none
	// Interval is the advertising interval, 20 ms to 10.24 s in steps of 0.625 ms;
	// default 100 ms.
	Interval time.Duration
	// NonConnectable disables connections.
	NonConnectable bool
	// MaxLinks is the number of links as peripheral at which advertising pauses;
	// default 1.
	MaxLinks int
}

func (o *AdvertiseOptions) interval() time.Duration {
	if o.Interval == 0 {
		return 100 * time.Millisecond
	}
	return o.Interval
}

func (o *AdvertiseOptions) maxLinks() int {
	if o.MaxLinks <= 0 {
		return 1
	}
	return o.MaxLinks
}

// Advertise starts advertising, or replaces the running advertising, and returns once
// the controller advertises. Advertising continues until [Controller.StopAdvertising];
// it pauses while AdvertiseOptions.MaxLinks peers are connected. [Controller.Accept]
// returns the links of peers that connect.
//
// After an error of the controller nothing is advertised. When ctx ends, Advertise
// returns at once, but advertising may still start; StopAdvertising ends it.
func (ctl *Controller) Advertise(ctx context.Context, o *AdvertiseOptions) error {
	opts := AdvertiseOptions{}
	if o != nil {
		opts = *o
	}
	if err := hci.CheckAdvertisingInterval(opts.interval()); err != nil {
		return err
	}
	if n := max(len(opts.Data), len(opts.Response)); n > 31 {
		return fmt.Errorf("controller: %d octets of advertising data or scan response, at most 31 can be sent", n)
	}
	return ctl.setAdvertising(ctx, &opts)
}

// StopAdvertising stops advertising. If ctx has ended before the call, it does
// nothing.
func (ctl *Controller) StopAdvertising(ctx context.Context) error {
	return ctl.setAdvertising(ctx, nil)
}

// setAdvertising starts or changes advertising, or stops it if o is nil.
func (ctl *Controller) setAdvertising(ctx context.Context, o *AdvertiseOptions) error {
	_, err := askLoop(ctx, &ctl.core, wrapDuring(ctx, "advertise"), func(_ func() bool, done func(hci.None, error)) {
		ctl.core.adv.setWanted(o, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// Accept waits for a link on which this host is the peripheral. At most 16 links
// wait for Accept; further ones are closed.
func (ctl *Controller) Accept(ctx context.Context) (*Link, error) {
	select {
	case l := <-ctl.accepted:
		return l, nil
	default:
	}
	if ctx.Err() == nil {
		select {
		case l := <-ctl.accepted:
			return l, nil
		case <-ctl.done:
			return nil, ctl.Err()
		case <-ctx.Done():
		}
	}
	return nil, wrapDuring(ctx, "accept")(context.Cause(ctx))
}

// advertising brings the advertising of the controller into the wanted state, as
// scanning does with the scan.
type advertising struct {
	c       *core
	opts    *AdvertiseOptions // nil means off
	fresh   bool              // opts are not yet in the controller
	running bool              // the controller advertises
	busy    bool              // a command is pending
	refused bool              // the controller cannot advertise until a link goes down
	waiting []func(error)     // calls that wait for the wanted state
	// response reports that the advertising set has a scan response, which the
	// controller keeps until it gets another one.
	response bool
	// own is the own address at the latest start. The event of a connection may
	// come after the address has changed (7.8.9).
	own hci.Addr
}

func (a *advertising) init(c *core) { a.c = c }

// setWanted sets the wanted state and calls done once it is reached.
func (a *advertising) setWanted(o *AdvertiseOptions, done func(error)) {
	if a.c.err != nil {
		done(a.c.err)
		return
	}
	a.opts, a.fresh, a.refused = o, true, false
	a.waiting = append(a.waiting, done)
	a.syncAdvertising()
}

// endByConnection handles a connection, which ends the advertising (7.8.9).
func (a *advertising) endByConnection() {
	a.running = false
	a.syncAdvertising()
}

// noteStopped handles the end of advertising that the controller ended itself.
func (a *advertising) noteStopped() {
	a.running = false
	a.syncAdvertising()
}

// handleSetTerminated handles LE Advertising Set Terminated. A connection has ended
// the set, or the controller itself. If the link of the connection is unknown, its
// event is late or lost; the controller does not advertise any more either way.
func (a *advertising) handleSetTerminated(ev *hci.LEAdvertisingSetTerminated) {
	if ev.Status != hci.StatusSuccess || a.c.links[ev.Handle] == nil {
		a.noteStopped()
	}
}

// noteUnknownLink handles the end of an unknown link. If this host was the peripheral,
// the connection has ended the advertising. Restarting it does no harm if the
// controller still advertises.
func (a *advertising) noteUnknownLink() {
	if a.running {
		a.noteStopped()
	}
}

// noteLinkDown tries to advertise again after the end of a link.
func (a *advertising) noteLinkDown() {
	a.refused = false
	a.syncAdvertising()
}

// shouldRun reports whether the controller should advertise now.
func (a *advertising) shouldRun() bool {
	if a.opts == nil || a.refused || a.c.quiet.holdsBack() {
		return false
	}
	return a.opts.NonConnectable || a.c.peripheralLinks < a.opts.maxLinks()
}

// syncAdvertising sends the next commands towards the wanted state.
func (a *advertising) syncAdvertising() {
	if a.busy || a.c.err != nil {
		return
	}
	switch on := a.shouldRun(); {
	case a.running && (!on || a.fresh):
		a.runAdvertisingCommands([]hci.Params{a.enableAdvertising(false)}, func(error) { a.running = false })
	case on && !a.c.remainder.isDone(): // a link may begin at once
		a.c.remainder.begin()
	case on && !a.running:
		var ps []hci.Params
		setup := a.fresh
		if setup {
			ps = a.advertisingSetup()
			a.fresh = false
		}
		a.runAdvertisingCommands(append(ps, a.enableAdvertising(true)), func(err error) {
			if a.running = err == nil; a.running {
				a.own = a.c.own
			}
			if err == nil || a.fresh || a.c.fallBackToLegacy(err) { // fresh: the options have changed meanwhile
				return
			}
			a.refused, a.fresh = true, setup
			if len(a.waiting) > 0 { // the callers get the error, so advertising is off
				a.opts = nil
				a.answerWaiting(err)
			}
		})
	default:
		if a.opts == nil || !a.c.quiet.holdsBack() { // otherwise it starts after the jobs
			a.answerWaiting(nil)
		}
		a.c.quiet.runNextJob()
	}
}

// answerWaiting returns err to all waiting calls.
func (a *advertising) answerWaiting(err error) {
	waiting := a.waiting
	a.waiting = nil
	for _, done := range waiting {
		done(err)
	}
}

// runAdvertisingCommands sends commands one after the other, up to the first error,
// and calls then.
func (a *advertising) runAdvertisingCommands(ps []hci.Params, then func(error)) {
	a.busy = true
	a.c.runCommand(ps[0], func(_ time.Time, _ []byte, err error) {
		if r, ok := ps[0].(hci.LESetExtendedScanResponseData); ok && err == nil {
			a.response = len(r.Data) > 0
		}
		if err == nil && len(ps) > 1 {
			a.runAdvertisingCommands(ps[1:], then)
			return
		}
		a.busy = false
		then(err)
		a.syncAdvertising()
	})
}

// enableAdvertising returns the command that starts or stops advertising.
func (a *advertising) enableAdvertising(on bool) hci.Params {
	if a.c.info.Extended {
		return hci.LESetExtendedAdvertisingEnable{Enable: on, Sets: []hci.AdvertisingSet{{}}}
	}
	return hci.LESetAdvertisingEnable{Enable: on}
}

// advertisingSetup returns the commands that set the parameters and the data. The
// extended commands set up legacy advertising too, which every scanner receives.
func (a *advertising) advertisingSetup() []hci.Params {
	o, own := a.opts, a.c.own
	if !a.c.info.Extended {
		typ := hci.AdvInd
		if o.NonConnectable {
			typ = hci.AdvNonconnInd
			if len(o.Response) > 0 {
				typ = hci.AdvScanInd
			}
		}
		return []hci.Params{
			hci.LESetAdvertisingParameters{IntervalMin: o.interval(), IntervalMax: o.interval(), Type: typ, OwnAddrKind: own.Kind, ChannelMap: 7},
			hci.LESetAdvertisingData{Data: o.Data},
			hci.LESetScanResponseData{Data: o.Response},
		}
	}
	props := hci.AdvPropsLegacyConnectable
	var ps []hci.Params
	if o.NonConnectable {
		props = hci.AdvPropsLegacyScannable
		if len(o.Response) == 0 {
			props = hci.AdvPropsLegacyNonConnectable
			if a.response { // a set with a response refuses these parameters (7.8.53)
				ps = append(ps, hci.LESetExtendedScanResponseData{Operation: hci.AdvDataComplete})
			}
		}
	}
	ps = append(ps, hci.LESetExtendedAdvertisingParameters{
		Properties: props, IntervalMin: o.interval(), IntervalMax: o.interval(), ChannelMap: 7,
		OwnAddrKind: own.Kind, TxPower: TxPowerUnknown, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M,
	})
	if own.Kind == hci.AddrRandom {
		ps = append(ps, hci.LESetAdvertisingSetRandomAddress{Addr: own.MAC})
	}
	ps = append(ps, hci.LESetExtendedAdvertisingData{Operation: hci.AdvDataComplete, Data: o.Data})
	if props != hci.AdvPropsLegacyNonConnectable {
		// A scannable set: an empty response replaces an earlier one.
		ps = append(ps, hci.LESetExtendedScanResponseData{Operation: hci.AdvDataComplete, Data: o.Response})
	}
	return ps
}

// failAdvertising ends advertising with err.
func (a *advertising) failAdvertising(err error) {
	a.opts, a.running = nil, false
	a.answerWaiting(err)
}
