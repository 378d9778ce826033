package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// AdvertiseOptions holds the options of Advertise. Zero fields have their
// defaults; nil is the same as an empty one.
type AdvertiseOptions struct {
	// Data is what is on air, at most 31 octets: all of it, nothing is added. Nil
	// is an advertisement with nothing in it, not even the flags that most
	// centrals look for; see AdvFields for what to put there.
	Data     hci.AdvData
	Response hci.AdvData // scan response, at most 31 octets
	// Interval is 20 ms to 10.24 s in steps of 0.625 ms; default 100 ms.
	Interval time.Duration
	// NonConnectable advertises without accepting connections.
	NonConnectable bool
	// MaxLinks is at how many links as peripheral advertising pauses; default 1.
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

// Advertise begins to advertise, or changes what is advertised, and returns
// when the controller has begun. It goes on, pausing while
// AdvertiseOptions.MaxLinks peers are connected, until StopAdvertising. The
// links that it brings come out of Accept. After an error of the controller
// nothing is advertised. When ctx ends, Advertise returns at once, while the
// device goes on to do what was asked: StopAdvertising takes it back.
func (ctl *Controller) Advertise(ctx context.Context, o *AdvertiseOptions) error {
	opts := AdvertiseOptions{}
	if o != nil {
		opts = *o
	}
	if err := hci.CheckAdvertisingInterval(opts.interval()); err != nil {
		return err
	}
	if n := max(len(opts.Data), len(opts.Response)); n > 31 {
		return fmt.Errorf("controller: advertising data of %d octets is longer than 31", n)
	}
	return ctl.setAdvertising(ctx, &opts)
}

// StopAdvertising ends what Advertise began. Should ctx be dead from the start,
// it does nothing.
func (ctl *Controller) StopAdvertising(ctx context.Context) error {
	return ctl.setAdvertising(ctx, nil)
}

func (ctl *Controller) setAdvertising(ctx context.Context, o *AdvertiseOptions) error {
	_, err := askLoop(ctx, &ctl.core, wrapDuring(ctx, "advertise"), func(_ func() bool, done func(hci.None, error)) {
		ctl.core.adv.setWanted(o, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// Accept waits for a link that a peer makes to this device. Links that nobody
// accepts are closed when more than 16 wait.
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

// advertising brings the controller's advertising to the state that is wanted,
// like scanning does for scans.
type advertising struct {
	c       *core
	opts    *AdvertiseOptions // nil: off
	fresh   bool              // opts are not yet in the controller
	running bool
	busy    bool
	refused bool // by a controller that cannot advertise now; until a link ends
	waiting []func(error)
	// response reports that the controller has a scan response from a set of
	// extended parameters, which it keeps until it is given another one.
	response bool
	// own is the address under which it began last: a connection may still be
	// reported when the address is another already (7.8.9).
	own hci.Addr
}

func (a *advertising) init(c *core) { a.c = c }

func (a *advertising) setWanted(o *AdvertiseOptions, done func(error)) {
	if a.c.err != nil {
		done(a.c.err)
		return
	}
	a.opts, a.fresh, a.refused = o, true, false
	a.waiting = append(a.waiting, done)
	a.syncAdvertising()
}

// connected notes that a connection ended the advertising (7.8.9).
func (a *advertising) endByConnection() {
	a.running = false
	a.syncAdvertising()
}

// stopped notes that the controller ended the advertising by itself.
func (a *advertising) noteStopped() {
	a.running = false
	a.syncAdvertising()
}

// handleSetTerminated notes that the set ended by itself, or by a connection. If
// the host does not know the connection, the event about it is late or lost;
// either way the controller does not advertise any more.
func (a *advertising) handleSetTerminated(ev *hci.LEAdvertisingSetTerminated) {
	if ev.Status != hci.StatusSuccess || a.c.links[ev.Handle] == nil {
		a.noteStopped()
	}
}

// noteUnknownLink notes that a link has ended of which the host never heard. If
// it was one as peripheral, it ended the advertising when it began. To begin
// anew does no harm where the controller still advertises.
func (a *advertising) noteUnknownLink() {
	if a.running {
		a.noteStopped()
	}
}

func (a *advertising) noteLinkDown() {
	a.refused = false
	a.syncAdvertising()
}

// on reports whether the controller should advertise now.
func (a *advertising) shouldRun() bool {
	if a.opts == nil || a.refused || a.c.quiet.holdsBack() {
		return false
	}
	links := 0
	for _, l := range a.c.links {
		if l.role == hci.RolePeripheral {
			links++
		}
	}
	return a.opts.NonConnectable || links < a.opts.maxLinks()
}

func (a *advertising) syncAdvertising() {
	if a.busy || a.c.err != nil {
		return
	}
	switch on := a.shouldRun(); {
	case a.running && (!on || a.fresh):
		a.runAdvertisingCommands([]hci.Params{a.enableAdvertising(false)}, func(error) { a.running = false })
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
			if err == nil || a.fresh { // or something else is wanted by now
				return
			}
			a.refused, a.fresh = true, setup
			if len(a.waiting) > 0 { // they are told, so it is not wanted any more
				a.opts = nil
				a.answerWaiting(err)
			}
		})
	default:
		if a.opts == nil || !a.c.quiet.holdsBack() { // otherwise it begins afterwards
			a.answerWaiting(nil)
		}
		a.c.quiet.runNextJob()
	}
}

func (a *advertising) answerWaiting(err error) {
	waiting := a.waiting
	a.waiting = nil
	for _, done := range waiting {
		done(err)
	}
}

// steps runs commands one after the other up to the first error.
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

func (a *advertising) enableAdvertising(on bool) hci.Params {
	if a.c.info.Extended {
		return hci.LESetExtendedAdvertisingEnable{Enable: on, Sets: []hci.AdvertisingSet{{}}}
	}
	return hci.LESetAdvertisingEnable{Enable: on}
}

// setup returns the commands that tell the controller what to advertise. With
// the extended commands it is still legacy advertising, which every scanner
// hears.
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
			if a.response { // the parameters would be refused for it (7.8.53)
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
	if props != hci.AdvPropsLegacyNonConnectable { // scannable: an empty response takes back an earlier one
		ps = append(ps, hci.LESetExtendedScanResponseData{Operation: hci.AdvDataComplete, Data: o.Response})
	}
	return ps
}

func (a *advertising) failAdvertising(err error) {
	a.opts, a.running = nil, false
	a.answerWaiting(err)
}
