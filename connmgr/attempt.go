package connmgr

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// attempts is the state that the attempts of one Establish share.
type attempts struct {
	m      *Manager
	opts   *Options // of the call; constant, as the policy
	policy Policy
	begin  time.Time

	target target
	// private is the private address that the program has given, once the identity
	// behind it is known.
	private hci.Addr
	// address is that of the device in the events of the present attempt.
	address hci.Addr
	number  int      // of the present attempt
	dials   int      // of the present attempt
	last    *Adapter // that has dialed
	place   *place   // in the queue for slots; nil before the first attempt
	queued  bool     // the place waits for a slot between two attempts
	claim   *claim   // the last one that the Establish has held
	// slotWait is the time without a slot, before slotSince if that is not zero.
	slotWait  time.Duration
	slotSince time.Time

	call   *call    // in the records of the Manager
	try    *try     // the present one
	failed *Attempt // the last try; nil before the first failure, or if the attempts do not adapt
}

// deviceName returns the name of the device in logs and errors.
func (x *attempts) deviceName() string {
	if x.opts.Name != "" {
		return x.opts.Name
	}
	name, last := "", time.Time{}
	x.m.devices.visitHeard(x.target, func(d *Device) bool {
		if d.Name != "" && d.Seen.After(last) {
			name, last = d.Name, d.Seen
		}
		return true
	})
	if name == "" {
		return x.target.addr.MAC.String()
	}
	return name
}

// deviceAddress returns the address of the device, with its kind as far as known.
func (x *attempts) deviceAddress() hci.Addr {
	if x.target.known {
		return x.target.addr.Identity()
	}
	return x.m.addrOf(x.target.addr.MAC)
}

// identifyTarget replaces a private address that the program has given by the identity
// of the bonded device.
func (x *attempts) identifyTarget() {
	if t := x.m.identifyTarget(x.target); t != x.target {
		x.private, x.target = x.target.addr, t
		x.private.Kind = hci.AddrRandom
	}
}

// beginAttempt asks the program for the device.
func (x *attempts) beginAttempt(n int) error {
	x.number, x.dials = n, 0
	was := x.target.addr.MAC
	if x.opts.began != nil {
		x.opts.began()
	}
	if x.opts.Device != nil {
		if d, ok := x.opts.Device(); ok {
			if d.Addr.MAC == (hci.MAC{}) {
				return errNoAddress
			}
			x.target = target{d.Addr, true}
		}
	}
	x.identifyTarget()
	x.m.evidence.rename(was, x.target.addr.MAC)
	x.call.enterAttempt(n, x.target)
	x.keepPlace()
	x.address = x.deviceAddress()
	return nil
}

// tryOnce makes one try of attempt n.
func (x *attempts) tryOnce(ctx context.Context, n int) (*Client, Attempt) {
	if n != x.number { // else the attempt dials again
		if err := x.beginAttempt(n); err != nil {
			return nil, Attempt{Phase: PhasePath, Err: err}
		}
	}
	x.dials++
	x.try = &try{plan: x.planNext()}
	c, at := x.connectOnce(ctx)
	at.try = x.try
	if at.Err != nil && x.adapts() {
		x.failed = &at
	}
	return c, at
}

// learnFailure adds the failure of a try, if it has failed, to the evidence about the device.
func (x *attempts) learnFailure(at *Attempt) {
	if at.Err == nil || !x.adapts() {
		return
	}
	at.try = x.try
	x.m.evidence.learn(x.target.addr.MAC, func(h *evidence) { h.addTry(at) })
}

// connectOnce shares the link to the device, waits for a dial that is under way, or makes
// a link.
func (x *attempts) connectOnce(ctx context.Context) (*Client, Attempt) {
	for {
		l, c := x.m.links.claimDevice(x)
		switch {
		case l != nil:
			if c, phase, err := x.shareLink(ctx, l); c != nil || err != nil {
				at := x.describeFailure(Attempt{Adapter: l.adapter.name, Phase: phase, Err: err}, l)
				x.learnFailure(&at)
				return c, at
			}
		case c.holder != x:
			x.call.enterPhase(PhaseDial, "") // of the call that dials
			if err := x.awaitClaim(ctx, c); err != nil {
				return nil, x.describeFailure(Attempt{Phase: PhaseDial, Err: err}, nil)
			}
		default:
			if client, at := x.makeClaimed(ctx, c); !errors.Is(at.Err, errDialPassed) {
				return client, at
			}
			x.try.made = false
		}
	}
}

// makeClaimed makes a link to the device that connectOnce has claimed.
func (x *attempts) makeClaimed(ctx context.Context, c *claim) (_ *Client, at Attempt) {
	x.claim = c
	defer func() {
		x.learnFailure(&at) // before the end of the claim, for the calls that wait for it
		x.m.links.endClaim(c, errors.Is(at.Err, errDialPassed))
	}()
	x.try.plan = x.planNext() // another call may have failed meanwhile
	return x.makeLink(ctx)
}

// shareLink makes a Client on an existing link, if that is alive. If it returns neither
// a Client nor an error, the link is gone: it was dead, or was being closed.
func (x *attempts) shareLink(ctx context.Context, l *link) (*Client, Phase, error) {
	c := newClient(l, x.opts)
	refused := l.watchRefusal()
	if l.joinLink(c) {
		phase, err := PhaseSecure, x.secureLink(ctx, c)
		dead := false
		if err == nil {
			phase, err = PhaseDiscover, l.checkAlive(ctx)
			dead = err != nil && ctx.Err() == nil
		}
		if err == nil {
			err = x.loadTable(ctx, c)
		}
		if err == nil {
			phase, err = PhaseReady, x.checkReady(ctx, c)
			if err == nil && l.handOver(c, func() Connected { return x.connectedEvent(l, true) }) {
				return c, "", nil
			}
		}
		down := l.conn.Err()
		var kept error
		if l.leaveLink(c) || down != nil { // its other Clients keep a link that is up
			kept = l.abandonLink(ctx)
		}
		if !dead {
			if down != nil { // the cause of the failure
				err = down
			}
			return nil, phase, err
		}
		x.m.log.Debug("existing link is not alive", "address", l.peer, "error", err)
		if kept != nil {
			return nil, phase, kept
		}
	}
	select {
	case <-l.gone:
		return nil, "", nil
	case <-refused: // the link is open again
		return nil, "", nil
	case <-ctx.Done():
		return nil, PhaseDiscover, context.Cause(ctx)
	}
}

// makeLink makes a link and a Client on it.
func (x *attempts) makeLink(ctx context.Context) (*Client, Attempt) {
	x.try.made = true
	a, h, conn, at := x.dialPath(ctx)
	if at.Err != nil {
		return nil, x.describeFailure(at, nil)
	}
	a.clearFaults(x.target.addr.MAC)
	var err error
	l := x.m.adoptLink(a, h, conn, x.deviceName())
	c := newClient(l, x.opts)
	l.joinLink(c)
	x.m.tasks.Go(l.readFeatures)
	if at.Phase, err = x.setUpClient(ctx, c); err == nil && l.handOver(c, func() Connected { return x.connectedEvent(l, false) }) {
		p := &x.try.plan
		x.m.tasks.Go(func() { l.guardTable(x.m.ctx, p, !x.opts.DisableEATT) })
		x.m.tasks.Go(func() { l.settleLink(x.m.ctx, x.opts.KeepParams, p) })
		x.try.storeTraits(l, x.closeEvidence())
		a.clearFailures(x.target.addr.MAC)
		return c, Attempt{}
	}
	// The reason for the end of the link is the cause of the failure.
	if down := conn.Err(); down != nil {
		err = down
	} else if ctx.Err() != nil {
		x.try.unanswered = l.lateAnswer()
	}
	l.leaveLink(c)
	_ = l.abandonLink(ctx)
	x.recordFailure(a, err)
	at.Err = err
	return nil, x.describeFailure(at, l)
}

// dialPath chooses an adapter, waits for a slot there and makes the link. A dial moves if
// another adapter hears the device, and yields its slot while none does; that is the same
// attempt. The error is errDialPassed if another call is to make the link.
func (x *attempts) dialPath(ctx context.Context) (a *Adapter, h *host.Host, conn *host.Conn, at Attempt) {
	address := x.target.addr.MAC.String()
	for {
		at.Phase = PhasePath
		if at.Err = x.checkPath(); at.Err != nil {
			return nil, nil, nil, at
		}
		var ranked []*Adapter
		a, ranked, at.Err = x.takeSlot(ctx)
		if len(ranked) > 0 {
			at.Adapter, at.Phase = ranked[0].name, PhaseSlot
		}
		if at.Err != nil {
			_, at.hopeless = errors.AsType[slotTimeoutError](at.Err)
			if x.try.away {
				at.Phase = PhaseDial // no slot would have helped
			}
			return nil, nil, nil, at
		}
		at.Adapter, at.Phase, x.last = a.name, PhaseDial, a
		x.call.enterPhase(PhaseDial, a.name)
		if x.try.dialing.IsZero() { // the first dial of the try
			x.m.bus.emitMade(func() Event {
				return AttemptStarted{time.Now(), x.deviceName(), x.address, a.name, x.number, x.dials}
			})
		}
		if at.Err = a.dials.enter(ctx); at.Err == nil {
			begin := time.Now()
			x.try.dialing = begin
			x.enterDial(a)
			h, conn, at.Err = x.dialInReach(ctx, a)
			x.leaveDial(a)
			x.try.dialed += time.Since(begin)
			a.dials.leave()
		}
		if at.Err == nil {
			return a, h, conn, at
		}
		passed := errors.Is(at.Err, errDialPassed)
		moved := passed || errors.Is(at.Err, errDialMoved) || errors.Is(at.Err, errDialYields) || errors.Is(at.Err, errDialAgain)
		if !moved {
			x.recordFailure(a, at.Err) // before the slot is released: a refused link counts beside those that exist
		}
		x.m.slots.Release(a.name, address)
		if !moved {
			x.awaitRoom(a, at.Err)
			return nil, nil, nil, at
		}
		x.m.log.Debug(at.Err.Error(), "address", address, "adapter", a.name)
		x.last = nil
		if passed {
			return nil, nil, nil, at
		}
	}
}

// dialDevice makes the link. If the kind of the address is not known, it dials both
// kinds at once where the controller can.
func (x *attempts) dialDevice(ctx context.Context, a *Adapter) (*host.Host, *host.Conn, error) {
	h := a.up()
	if h == nil {
		return nil, nil, x.m.noAdapter(a.name)
	}
	if sm := h.SMP(); x.try.plan.rebond && sm != nil {
		defer sm.SuspendBond(x.target.addr)()
	}
	o := &controller.ConnectOptions{Timeout: x.policy.AttemptTimeout, Params: x.try.plan.initial, PHYs: x.opts.PHYs, DeferTuning: true}
	peer := x.target.addr
	if d, ok := x.m.devices.latestOf(x.target, false); ok {
		peer = d.onAir() // perhaps a private address, the last one heard
	} else if x.private != (hci.Addr{}) {
		peer = x.private
	} else if !x.target.known {
		// A dial that fails below tells why the wait has ended.
		if info, err := h.Controller().AwaitInfo(ctx); err == nil && info.AcceptListSize >= 2 {
			random := peer
			random.Kind = hci.AddrRandom
			c, err := h.ConnectAnyPlain(ctx, []hci.Addr{peer, random}, o)
			return h, c, a.explainDial(peer, err)
		}
	}
	c, err := h.ConnectPlain(ctx, peer, o)
	return h, c, a.explainDial(peer, err)
}

// explainDial returns the error of a dial, in the words of the proxy if the adapter is one.
func (a *Adapter) explainDial(peer hci.Addr, err error) error {
	if p := a.Proxy(); p != nil && err != nil {
		return p.Explain(peer, err)
	}
	return err
}

// setUpClient makes a new link ready: security, attribute table, the check of the program.
func (x *attempts) setUpClient(ctx context.Context, c *Client) (Phase, error) {
	c.link.watchChanges()
	x.call.enterPhase(PhaseSecure, c.Adapter())
	if err := x.secureLink(ctx, c); err != nil {
		return PhaseSecure, err
	}
	x.call.enterPhase(PhaseDiscover, c.Adapter())
	if err := x.loadTable(ctx, c); err != nil {
		return PhaseDiscover, err
	}
	return PhaseReady, x.checkReady(ctx, c)
}

// connectedEvent returns the event of a Client that is ready.
func (x *attempts) connectedEvent(l *link, shared bool) Connected {
	return Connected{
		Time: time.Now(), Name: x.deviceName(), Address: x.deviceAddress(), Adapter: l.adapter.name,
		Attempts: x.number, Duration: time.Since(x.begin), Shared: shared,
	}
}
