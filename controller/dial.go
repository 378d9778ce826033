package controller

import (
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// dial is one call of Connect or ConnectAny. The loop owns it from addDial until
// done is called, which happens once.
type dial struct {
	peers []hci.Addr // a link to any of them ends the dial
	opts  *ConnectOptions
	done  func(*Link, error)
	timer timer // ConnectOptions.Timeout, from the first initiation on
	// end is the error of a dial that is being canceled; nil while it is wanted.
	end     error
	gone    bool // the caller has returned
	retried bool // tried again without the scan, after 0x0C
	swept   bool // tried again after a sweep, after 0x0B
	// promoted is the time when the dial was last moved to the front because its
	// peer was heard. preferred is set from then until its turn starts.
	promoted  time.Time
	preferred bool
	// part, if not 0, keeps the next turn to the dials with the same number; see splitGroup.
	part uint64
	// initiation is the number of the initiation whose failure ends the dial, shared the
	// peers of all dials that it ends.
	initiation uint64
	shared     []hci.Addr
}

// dialState is the state of the initiator. A controller has one: it refuses a
// second LE Create Connection while one is pending with 0x0C. So all dials that
// can share an initiation do, through the filter accept list, and the dialer
// restarts the initiation whenever such a dial is added or ends.
//
//	    startInitiation    status 0           complete event
//	idle ───────▶ starting ───────▶ initiating ─────────────▶ idle
//	                 │                  │ a dial is added,      ▲
//	                 │ error            ▼ ends, or has its turn │
//	                 └──▶ idle      canceling ──────────────────┘
//	                                complete event, or end of cancelWait
type dialState uint8

const (
	dialIdle dialState = iota
	dialStarting
	dialInitiating
	dialCanceling
)

const (
	// cancelWait bounds the wait for the connection complete event after a cancel.
	// A controller must send it at once (7.8.13). Some never do, which must not
	// block all later dials.
	cancelWait = time.Second
	// dialTurn is how long an initiation runs while other dials, or a scan that
	// cannot run beside it, are waiting. Most connectable peripherals advertise at
	// least once a second.
	dialTurn = 3 * time.Second
	// partTurn is dialTurn for a part of a group of which one peer fails.
	partTurn = time.Second
	// scanTurn is how long such a scan runs between two initiations.
	scanTurn = time.Second
	// blindTurn and seekTurn take the place of dialTurn and scanTurn where the scan and
	// other dials wait for their turns at once: the scan finds the dial that is next, so it
	// gets most of the time. A dial whose peer is heard still has a dialTurn.
	blindTurn = time.Second
	seekTurn  = 2 * time.Second
)

// dialer owns the initiator of a controller and resolves its races.
type dialer struct {
	c       *core
	state   dialState
	group   []*dial // dials that share the initiation; empty while idle
	waiting []*dial // the other dials, in the order of their turns
	timer   timer   // dialTurn, cancelWait, or scanTurn while idle
	resting bool    // the scan has its turn
	parts   uint64  // counts the parts of groups
	parted  bool    // the group is such a part, and no other dial joins it
	attempt uint64  // counts initiations, to recognize answers to an earlier one
	// mute reports that the controller has failed to report the end of a canceled
	// initiation, and has reported none since. On such a controller an initiation is
	// not canceled as long as one of its dials is wanted.
	mute bool
	// stuck reports that this happened to the latest initiation, which may still
	// be running.
	stuck bool
	// over reports that the controller has answered the latest cancel with 0x0C: no
	// initiation was running.
	over bool
	// heard reports that the group has its turn because one of its peers was heard.
	// No other dial is promoted during the turn.
	heard bool
}

func (d *dialer) init(c *core) {
	d.c = c
	d.timer.f = d.handleDialTimer
}

// addDial queues x. Must run on the loop.
func (d *dialer) addDial(x *dial) {
	if d.c.err != nil {
		x.done(nil, connectError(x.peers, d.c.err))
		return
	}
	x.timer.f = func(time.Time) { d.stopDial(x, ErrDialTimeout) }
	d.waiting = append(d.waiting, x)
	d.startInitiation()
	d.reconsider()
}

// startInitiation starts an initiation for all waiting dials that can share one,
// if the initiator is idle and nothing else has its turn.
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
	if len(d.waiting) > 0 && !d.c.remainder.isDone() {
		d.c.remainder.begin()
		return
	}
	d.checkDials()
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
	d.parted = d.group[0].part != 0
	for _, x := range d.group {
		x.part = 0
	}
	d.heard, d.group[0].preferred = d.group[0].preferred, false
	d.attempt++
	if d.c.info.scanWhileInitiating() {
		d.prepareInitiation()
		return
	}
	d.c.scan.pauseScan(d.prepareInitiation)
}

// checkDials ends the waiting dials on PHYs that the controller does not listen on any
// more, and those to several peers while advertising has the filter accept list.
func (d *dialer) checkDials() {
	var ended []*dial
	d.waiting = slices.DeleteFunc(d.waiting, func(x *dial) bool {
		if d.checkDial(x) == nil {
			return false
		}
		ended = append(ended, x)
		return true
	})
	for _, x := range ended {
		d.finishDial(x, nil, d.checkDial(x))
	}
}

var errAcceptListTaken = errors.New("advertising has the filter accept list of the controller: dial one peer at a time, or leave AdvertiseOptions.Accept out")

// checkDial returns why a dial cannot run at present, or nil.
func (d *dialer) checkDial(x *dial) error {
	if len(x.peers) > 1 && d.c.adv.usesAcceptList() {
		return errAcceptListTaken
	}
	return d.c.info.checkPHYs(kindInitiate, x.opts.phys())
}

// canJoin reports whether x can share the initiation of the group.
func (d *dialer) canJoin(x *dial) bool {
	return !d.mute && !d.parted && !d.c.adv.usesAcceptList() && x.part == d.group[0].part && x.opts.sharesInitiation(d.group[0].opts) &&
		len(d.groupPeers())+len(x.peers) <= d.c.info.AcceptListSize
}

// groupPeers returns the peers of the group, without duplicates.
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

// awaitsOldLink reports whether a link to a peer of x is being disconnected. Until
// it is down, the controller refuses another one with 0x0B, connection already
// exists.
func (d *dialer) awaitsOldLink(x *dial) bool {
	if x.swept && d.c.sweep.running {
		return true
	}
	return slices.ContainsFunc(d.c.leaving, x.wantsLink)
}

// prepareInitiation fills the filter accept list if the group has several peers,
// then initiates.
func (d *dialer) prepareInitiation() {
	ps := d.groupPeers()
	if len(ps) == 1 {
		d.createConnection(ps[0], 0)
		return
	}
	d.c.adv.accept = nil
	d.c.runCommand(hci.LEClearFilterAcceptList{}, d.whileStarting(func(_ time.Time, err error) { d.fillAcceptList(ps, err) }))
}

// whileStarting returns a continuation that calls f if the present initiation is
// still starting. An event may end the initiation before its command is answered.
func (d *dialer) whileStarting(f func(now time.Time, err error)) func(time.Time, []byte, error) {
	attempt := d.attempt
	return func(now time.Time, _ []byte, err error) {
		if d.state == dialStarting && d.attempt == attempt {
			f(now, err)
		}
	}
}

// fillAcceptList adds the peers in rest to the filter accept list, one command
// after the other, then initiates. err is the error of the command before.
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

// createConnection sends the command that initiates: to peer, or with policy 1 to
// the filter accept list.
func (d *dialer) createConnection(peer hci.Addr, policy uint8) {
	c, o := d.c, d.group[0].opts
	p := o.params()
	interval, window := o.scanTiming()
	var cmd hci.Params = hci.LECreateConnection{
		ScanInterval: interval, ScanWindow: window, FilterPolicy: policy, Peer: peer,
		OwnAddrKind: c.own.Kind, Params: p,
	}
	if c.info.Extended {
		n, interval := shareRadio(o.phys(), interval)
		phy := hci.InitiatingPHY{ScanInterval: interval, ScanWindow: window, Params: p}
		cmd = hci.LEExtendedCreateConnection{
			FilterPolicy: policy, OwnAddrKind: c.own.Kind, Peer: peer,
			PHYs: o.phys(), Initiating: slices.Repeat([]hci.InitiatingPHY{phy}, n),
		}
	}
	c.runCommand(cmd, d.whileStarting(d.handleCreateStatus))
}

// handleCreateStatus handles the Command Status of the command that initiates.
func (d *dialer) handleCreateStatus(now time.Time, err error) {
	first := d.group[0]
	switch {
	case statusOf(err) == hci.StatusCommandDisallowed && !first.retried && d.c.scan.isActive():
		// The controller cannot initiate while it scans, even if its supported states
		// include that. Try again without the scan.
		first.retried = true
		d.c.info.scanBlocksInitiating = true
		d.c.scan.pauseScan(d.prepareInitiation)
	case d.c.dropCoded(kindInitiate, first.opts.phys(), err), d.c.fallBackToLegacy(err):
		d.endInitiation(nil)
	case err != nil:
		d.endInitiation(err)
	default:
		d.c.legacy.noteListening(kindInitiate, first.opts.phys())
		d.state, d.stuck = dialInitiating, false
		for _, x := range d.group {
			if t := x.opts.timeout(); t > 0 && x.timer.index == 0 {
				d.c.timers.setTimer(&x.timer, now.Add(t))
			}
		}
		d.reconsider()
	}
}

// reconsider cancels a running initiation if a dial of the group has ended, if a
// waiting dial can join the group, or if a job waits for quiet. If other dials or a
// scan wait for their turn, it sets the end of this one.
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
		turn := dialTurn
		switch {
		case d.parted:
			turn = partTurn
		case scan && others && !d.heard:
			turn = blindTurn
		}
		d.c.timers.setTimer(&d.timer, d.c.now.Add(turn))
	}
}
