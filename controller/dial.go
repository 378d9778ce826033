package controller

import (
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// dial is one wish to connect. It belongs to the loop from the moment it is
// queued until done has been called, which happens once.
type dial struct {
	peers []hci.Addr // any of them will do
	opts  *ConnectOptions
	done  func(*Link, error)
	timer timer // the attempt's timeout; starts with its first initiation
	// end is why the dial is being canceled; nil while it is wanted.
	end     error
	gone    bool // the caller does not wait any more
	retried bool // once after 0x0C with the scan out of the way
	swept   bool // once after 0x0B with the unknown links out of the way
	// promoted is when the dial was last moved to the front because its peer was
	// heard; preferred lasts until its turn begins.
	promoted  time.Time
	preferred bool
	// initiation is the number of the initiation whose failure ends the dial.
	initiation uint64
}

// The initiator of a controller is one: a second LE Create Connection while
// one is pending is refused with 0x0C. So all dials that can share one do, by
// the filter accept list, and it begins anew whenever one comes or goes.
//
//	       next             status 0            complete event
//	idle ──────▶ starting ─────────▶ initiating ─────────▶ idle
//	                │                    │ dial comes, goes,   ▲
//	                │ error              ▼ or turn is over     │
//	                └────────▶ idle   canceling ───────────────┘
//	                           complete event, or cancelWait over
type dialState uint8

const (
	dialIdle dialState = iota
	dialStarting
	dialInitiating
	dialCanceling
)

const (
	// cancelWait is how long after a cancel the connection complete event may
	// take. The specification sends it at once (7.8.13); some controllers never
	// do, and must not hold up all later dials.
	cancelWait = time.Second
	// dialTurn is how long an initiation keeps the radio from dials that cannot
	// share it, or from a scan that cannot go on beside it. Most peripherals that
	// may be connected to advertise at least once a second.
	dialTurn = 3 * time.Second
	// scanTurn is how long such a scan has the radio in between.
	scanTurn = time.Second
)

// dialer owns the initiator of a controller and every race about it.
type dialer struct {
	c       *core
	state   dialState
	group   []*dial // whom the initiation is for; empty only while idle
	waiting []*dial // the others, in the order of their turns
	timer   timer   // turn, cancelWait, or the scan's turn while idle
	resting bool    // the scan has its turn
	attempt uint64  // counts initiations, so that answers to an earlier one are known
	// mute is set once a cancel was never reported as done: on such a controller
	// an initiation is left alone as long as it is of use.
	mute bool
	// heard reports that the turn was given to the group because its peer was
	// heard, and that nobody else may take it before it is over.
	heard bool
	// stuck says that this was so for the latest initiation, which may go on.
	stuck bool
}

func (d *dialer) init(c *core) {
	d.c = c
	d.timer.f = d.handleDialTimer
}

// add queues x. On the loop.
func (d *dialer) addDial(x *dial) {
	if d.c.err != nil {
		x.done(nil, x.connectError(d.c.err))
		return
	}
	x.timer.f = func(time.Time) { d.stopDial(x, ErrDialTimeout) }
	d.waiting = append(d.waiting, x)
	d.startInitiation()
	d.reconsider()
}

// next starts an initiation for all waiting dials that can share one.
func (d *dialer) startInitiation() {
	if d.state != dialIdle || d.c.err != nil {
		return
	}
	if d.c.quiet.holdsBack() {
		d.c.quiet.stopOthers()
		return
	}
	if d.resting {
		return
	}
	d.waiting = slices.DeleteFunc(d.waiting, func(x *dial) bool {
		if len(d.group) > 0 && !d.canJoin(x) || d.awaitsOldLink(x) {
			return false
		}
		d.group = append(d.group, x)
		return true
	})
	if len(d.group) == 0 {
		d.c.scan.resumeScan()
		return
	}
	d.state = dialStarting
	d.heard, d.group[0].preferred = d.group[0].preferred, false
	d.attempt++
	if d.c.info.scanWhileInitiating() {
		d.prepareInitiation()
		return
	}
	d.c.scan.pauseScan(d.prepareInitiation)
}

// joins reports whether x can share the group's initiation.
func (d *dialer) canJoin(x *dial) bool {
	return !d.mute && x.opts.sharesInitiation(d.group[0].opts) &&
		len(d.groupPeers())+len(x.peers) <= d.c.info.AcceptListSize
}

// peers returns whom the group waits for, each once.
func (d *dialer) groupPeers() []hci.Addr {
	var ps []hci.Addr
	for _, x := range d.group {
		for _, p := range x.peers {
			if p = p.Identity(); !slices.Contains(ps, p) {
				ps = append(ps, p)
			}
		}
	}
	return ps
}

// ending reports whether a link to a peer of x is being closed: until it is
// gone the controller refuses another one with 0x0B, connection exists.
func (d *dialer) awaitsOldLink(x *dial) bool {
	if x.swept && d.c.sweep.running {
		return true
	}
	for _, l := range d.c.links {
		if (l.local || l.leaving) && x.wantsLink(l) {
			return true
		}
	}
	return false
}

// prepare fills the accept list if there are several peers, then initiates.
func (d *dialer) prepareInitiation() {
	ps := d.groupPeers()
	if len(ps) == 1 {
		d.createConnection(ps[0], 0)
		return
	}
	d.c.runCommand(hci.LEClearFilterAcceptList{}, d.whileStarting(func(_ time.Time, err error) { d.fillAcceptList(ps, err) }))
}

// starting makes f the continuation of a command of this initiation. An event
// of the controller may end that before the command is answered; then there is
// nothing to continue.
func (d *dialer) whileStarting(f func(now time.Time, err error)) func(time.Time, []byte, error) {
	attempt := d.attempt
	return func(now time.Time, _ []byte, err error) {
		if d.state == dialStarting && d.attempt == attempt {
			f(now, err)
		}
	}
}

func (d *dialer) fillAcceptList(rest []hci.Addr, err error) {
	switch {
	case err != nil:
		d.endInitiation(err)
	case len(rest) == 0:
		d.createConnection(hci.Addr{}, 1)
	default:
		d.c.runCommand(hci.LEAddDeviceToFilterAcceptList{Addr: rest[0]},
			d.whileStarting(func(_ time.Time, err error) { d.fillAcceptList(rest[1:], err) }))
	}
}

// create sends the command that initiates: to peer, or by accept list if
// policy is 1.
func (d *dialer) createConnection(peer hci.Addr, policy uint8) {
	c, o := d.c, d.group[0].opts
	p := o.params()
	interval, window := o.scanTiming()
	var cmd hci.Params = hci.LECreateConnection{
		ScanInterval: interval, ScanWindow: window, FilterPolicy: policy, Peer: peer,
		OwnAddrKind: c.own.Kind, Params: p,
	}
	if c.info.Extended {
		phy := hci.InitiatingPHY{ScanInterval: interval, ScanWindow: window, Params: p}
		cmd = hci.LEExtendedCreateConnection{
			FilterPolicy: policy, OwnAddrKind: c.own.Kind, Peer: peer,
			PHYs: hci.PHYs1M, Initiating: []hci.InitiatingPHY{phy},
		}
	}
	c.runCommand(cmd, d.whileStarting(d.handleCreateStatus))
}

// started takes the Command Status of the create command.
func (d *dialer) handleCreateStatus(now time.Time, err error) {
	first := d.group[0]
	switch {
	case statusOf(err) == hci.StatusCommandDisallowed && !first.retried && d.c.scan.isActive():
		// This controller cannot initiate while it scans, whatever it says of its
		// states. Once more without the scan.
		first.retried = true
		d.c.info.scanBlocksInitiating = true
		d.c.scan.pauseScan(d.prepareInitiation)
	case err != nil:
		d.endInitiation(err)
	default:
		d.state, d.stuck = dialInitiating, false
		for _, x := range d.group {
			if t := x.opts.timeout(); t > 0 && x.timer.index == 0 {
				d.c.timers.setTimer(&x.timer, now.Add(t))
			}
		}
		d.reconsider()
	}
}

// reconsider ends an initiation that is not the right one any more: a dial has
// left, or one has come that can share it. For others it sets the turn's end.
func (d *dialer) reconsider() {
	if d.state != dialInitiating {
		return
	}
	left := slices.ContainsFunc(d.group, func(x *dial) bool { return x.end != nil })
	come := slices.ContainsFunc(d.waiting, func(x *dial) bool { return d.canJoin(x) && !d.awaitsOldLink(x) })
	if left || come || d.c.quiet.holdsBack() {
		d.cancelInitiation()
		return
	}
	scan := !d.c.info.scanWhileInitiating() && len(d.c.scan.scanners) > 0
	others := slices.ContainsFunc(d.waiting, func(x *dial) bool { return !d.awaitsOldLink(x) })
	if (scan || others) && !d.mute && d.timer.index == 0 {
		d.c.timers.setTimer(&d.timer, d.c.now.Add(dialTurn))
	}
}

// stop takes back a dial whose caller has gone or whose time is up, wherever
// it is. end is what its caller gets unless the connection comes first.
func (d *dialer) stopDial(x *dial, end error) {
	if i := slices.Index(d.waiting, x); i >= 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
		d.finishDial(x, nil, end)
		return
	}
	if slices.Contains(d.group, x) && x.end == nil {
		x.end = end
		d.reconsider()
	}
}

// cancel ends the initiation. It is over when the connection complete event
// has come: with 0x02, or with the connection, which then was faster.
func (d *dialer) cancelInitiation() {
	d.state = dialCanceling
	d.c.timers.setTimer(&d.timer, d.c.now.Add(d.c.cfg.commandTimeout()+cancelWait))
	d.c.runCommand(hci.LECreateConnectionCancel{}, func(now time.Time, _ []byte, err error) {
		// 0x0C says that nothing is pending: the connection was faster, and its
		// event is on its way.
		if d.state == dialCanceling {
			d.c.timers.setTimer(&d.timer, now.Add(cancelWait))
		}
	})
}

func (d *dialer) handleDialTimer(time.Time) {
	switch d.state {
	case dialInitiating: // the turn is over
		d.cancelInitiation()
	case dialCanceling:
		d.c.log.Log(d.c.ctx, LevelController, "canceled connection never reported as ended")
		d.mute, d.stuck = true, true
		d.endInitiation(nil)
	case dialIdle: // so is the scan's
		d.resting = false
		d.startInitiation()
	case dialStarting:
	}
}

// over ends the initiation. With err its dials fail; without, those that are
// still wanted go on in a later one, behind those that had to wait.
func (d *dialer) endInitiation(err error) {
	if d.stuck && statusOf(err) == hci.StatusCommandDisallowed {
		err = fmt.Errorf("%w: %w", ErrStillInitiating, err)
	}
	group := d.group
	turned := d.state == dialCanceling
	d.group, d.state = nil, dialIdle
	d.c.timers.stopTimer(&d.timer)
	for _, x := range group {
		switch {
		case x.end != nil:
			d.finishDial(x, nil, x.end)
		case statusOf(err) == hci.StatusConnectionExists && d.sweepFor(x):
		case err != nil:
			x.initiation = d.attempt
			d.finishDial(x, nil, err)
		default:
			d.waiting = append(d.waiting, x)
		}
	}
	if turned && len(d.waiting) > 0 && !d.c.info.scanWhileInitiating() && len(d.c.scan.scanners) > 0 && !d.c.quiet.holdsBack() && d.c.err == nil {
		d.resting = true
		d.c.scan.resumeScan()
		d.c.timers.setTimer(&d.timer, d.c.now.Add(scanTurn))
		return
	}
	d.startInitiation()
}

// finish tells the caller of x, which is in no list any more.
func (d *dialer) finishDial(x *dial, l *Link, err error) {
	d.c.timers.stopTimer(&x.timer)
	if err != nil {
		err = x.connectError(err)
	}
	x.done(l, err)
}

func (x *dial) connectError(err error) error {
	if x.swept && statusOf(err) == hci.StatusConnectionExists {
		err = fmt.Errorf("%w: %w", ErrUnknownLink, err)
	}
	e := &ConnectError{Err: err, Initiation: x.initiation}
	if len(x.peers) == 1 {
		e.Peer = x.peers[0]
	}
	return e
}

func (d *dialer) failDials(err error) {
	dials := slices.Concat(d.group, d.waiting)
	d.group, d.waiting, d.state, d.resting = nil, nil, dialIdle, false
	d.c.timers.stopTimer(&d.timer)
	for _, x := range dials {
		d.finishDial(x, nil, err)
	}
}
