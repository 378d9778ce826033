package connmgr

import (
	"context"
	"errors"
	"slices"
)

// A device has one link to this host, so one call at a time makes it, and the others wait.
// They must not wait for a call that Options.Adapter binds to an adapter which is full or
// does not hear the device, while they can dial over another one: they ask it for its
// claim, and it waits for them in turn.

// errDialPassed ends a dial, or the wait for its slot, in favor of a call that can reach the
// device over an adapter that this call may not use.
var errDialPassed = errors.New("dial passes to a call that may use an adapter that hears the device")

// claim is the right to make the link to a device, which one call has.
type claim struct {
	target target
	holder *attempts
	ended  chan struct{} // closed when the link is ready or has failed, or the claim has passed on
	asked  chan struct{} // one token: a call has asked for the claim
	askers []*attempts   // in their order; guarded by links.mu
}

func newClaim(x *attempts) *claim {
	return &claim{target: x.target, holder: x, ended: make(chan struct{}), asked: make(chan struct{}, 1)}
}

// claimDevice returns the link to the device of a call, or else the claim on it. The call
// that holds the claim must call endClaim; the others wait for its end: a link is shared
// only once it is secure and its table known.
func (ls *links) claimDevice(x *attempts) (*link, *claim) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if c := ls.dialing[x.target.addr.MAC]; c != nil {
		return nil, c
	}
	if l := ls.findLinkLocked(x.target); l != nil {
		return l, nil
	}
	c := newClaim(x)
	ls.dialing[x.target.addr.MAC] = c
	return nil, c
}

// endClaim ends a claim. With pass, the first call that has asked for it has the next one.
func (ls *links) endClaim(c *claim, pass bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.endClaimLocked(c, pass)
}

// endClaimLocked is endClaim. ls.mu must be held.
func (ls *links) endClaimLocked(c *claim, pass bool) {
	delete(ls.dialing, c.target.addr.MAC)
	if pass && len(c.askers) > 0 {
		ls.dialing[c.target.addr.MAC] = newClaim(c.askers[0])
	}
	close(c.ended)
}

// askForClaim notes whether a call that waits for a claim asks for it.
func (ls *links) askForClaim(c *claim, x *attempts, asks bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	switch i := slices.Index(c.askers, x); {
	case asks && i < 0:
		c.askers = append(c.askers, x)
		select {
		case c.asked <- struct{}{}:
		default:
		}
	case !asks && i >= 0:
		c.askers = slices.Delete(c.askers, i, i+1)
	}
}

// leaveClaim ends the wait of a call for a claim, which it may have been given meanwhile.
func (ls *links) leaveClaim(c *claim, x *attempts) {
	ls.askForClaim(c, x, false)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if given := ls.dialing[x.target.addr.MAC]; given != nil && given.holder == x {
		ls.endClaimLocked(given, true)
	}
}

// isAsked reports whether a call asks for the claim.
func (ls *links) isAsked(c *claim) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(c.askers) > 0
}

// awaitClaim waits for the end of the claim of another call. It asks for the claim while
// the device can be reached over an adapter that the other call may not use.
func (x *attempts) awaitClaim(ctx context.Context, c *claim) error {
	for {
		w := x.watchPaths()
		x.watchHearers(w)
		x.m.links.askForClaim(c, x, x.hasPathBeside(c))
		select {
		case <-c.ended:
			w.stop()
			return nil
		case <-w.adapters:
		case <-w.heard:
		case <-w.freed:
		case <-ctx.Done():
			w.stop()
			x.m.links.leaveClaim(c, x)
			return context.Cause(ctx)
		}
		w.stop()
	}
}

// hasPathBeside reports whether an adapter that the holder of a claim may not use hears the
// device and has a free slot.
func (x *attempts) hasPathBeside(c *claim) bool {
	if c.holder.opts.Adapter == "" || x.policy.NoWake {
		return false
	}
	ranked, err := x.m.rankAdapters(x.target, x.last, x.try.plan.avoid, x.opts)
	return err == nil && slices.ContainsFunc(ranked, func(a *Adapter) bool {
		return !c.holder.mayUse(a.name) && x.m.devices.receptionBy(x.target, a.name).hears && x.m.slots.Room(a.name)
	})
}
