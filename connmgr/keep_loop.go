package connmgr

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

// keeps is the set of the connections that are kept.
type keeps struct {
	mu  sync.Mutex
	all map[*Kept]struct{} // guarded by mu; nil before the first
}

func (ks *keeps) add(k *Kept) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.all == nil {
		ks.all = map[*Kept]struct{}{}
	}
	ks.all[k] = struct{}{}
}

func (ks *keeps) remove(k *Kept) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	delete(ks.all, k)
}

// errKeepLost ends a Kept whose goroutine was ended by a function of the program.
var errKeepLost = errors.New("connmgr: a function of the program has ended the goroutine of the kept connection")

// keepConnected establishes and serves one link after another until the Kept ends. It
// runs on the goroutine of the Kept.
func (k *Kept) keepConnected() {
	p := &pace{longest: k.opts.longestWait()}
	for k.awaitWork() {
		if !k.awaitTurn(p) || k.isIdle() {
			continue // the work was given up, or the Keep ends
		}
		c, err := k.establishNext()
		switch {
		case err == nil:
			k.serveClient(c, p)
		case k.ctx.Err() != nil:
			return
		case errors.Is(err, errManagerClosed):
			k.cancel(errManagerClosed)
			return
		default:
			k.enterFailure(err, p)
		}
	}
}

// endKeep frees everything and ends the Kept.
func (k *Kept) endKeep() {
	k.cancel(errKeepLost) // unless there is a reason already
	k.m.keeps.remove(k)
	err := context.Cause(k.ctx)
	k.endLinkSubscriptions(err)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.subs {
		s.endLocked(err)
	}
	k.subs = nil
	close(k.done)
	k.updateLocked(func(s *KeepStatus) { s.State = KeepEnded })
}

// isIdle reports whether there is no work for a link.
func (k *Kept) isIdle() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.isIdleLocked()
}

// isIdleLocked is isIdle. k.mu must be held.
func (k *Kept) isIdleLocked() bool { return k.opts.Idle > 0 && k.works == 0 }

// awaitWork waits until there is work for a link; false if the Kept ends.
func (k *Kept) awaitWork() bool {
	for k.ctx.Err() == nil {
		k.mu.Lock()
		idle := k.isIdleLocked()
		if idle {
			k.updateLocked(func(s *KeepStatus) { s.State = KeepIdle })
		}
		k.mu.Unlock()
		if !idle {
			return true
		}
		select {
		case <-k.poke:
		case <-k.ctx.Done():
		}
	}
	return false
}

// establishNext makes one Establish, with the set-up of the program and the subscriptions
// as its last step.
func (k *Kept) establishNext() (*Client, error) {
	k.setState(KeepConnecting)
	o := k.opts.Options
	o.Ready = k.setUpNext
	o.began = func() { k.update(func(s *KeepStatus) { s.Attempts++ }) }
	return k.m.Establish(k.ctx, k.name, &o)
}

// setUpNext prepares a new Client.
func (k *Kept) setUpNext(ctx context.Context, c *Client) error {
	k.endAttemptSubscriptions()
	k.prepared = c
	if f := k.opts.Options.Ready; f != nil {
		if err := f(ctx, c); err != nil {
			return err
		}
	}
	return k.makeSubscriptions(ctx, c, true)
}

// enterFailure counts a failed Establish, and ends the Kept if the program gives up.
func (k *Kept) enterFailure(err error, p *pace) {
	k.endLinkSubscriptions(err)
	p.enterFailure(err)
	next := func(s *KeepStatus) { s.State, s.Until = KeepWaiting, p.until }
	if k.isIdle() {
		next = func(s *KeepStatus) { s.State = KeepIdle }
	}
	k.mu.Lock()
	s := k.status
	s.Failures, s.Err, s.ErrTime = s.Failures+1, err, time.Now()
	k.mu.Unlock()
	if k.givesUp(s) {
		next = func(*KeepStatus) {}
		k.cancel(err)
	}
	k.update(func(st *KeepStatus) {
		st.Failures, st.Err, st.ErrTime = s.Failures, s.Err, s.ErrTime
		next(st)
	})
}

// givesUp reports whether the Kept ends with the failure in s.
func (k *Kept) givesUp(s KeepStatus) bool {
	if k.opts.GiveUp != nil {
		return k.opts.GiveUp(s)
	}
	return !MayPass(s.Err)
}

// MayPass reports whether a later Establish may succeed after one that has failed with
// err, even if an attempt at once may not: an adapter may come back, and a device may
// wake, and so may the reasons of the program's own for which Options.Ready fails. A lost
// bond and a mistake of the caller do not pass. Keep gives up after errors that do not
// pass.
func MayPass(err error) bool {
	switch {
	case isOwnFailure(err):
		return true
	case errors.Is(err, ErrBondLost), errors.Is(err, errNoAddress):
		return false
	case errors.Is(err, ErrNoAdapter):
		return true
	}
	return Retryable(err)
}

// serveClient keeps the Client c until its link ends, the Kept becomes idle, or the Kept
// ends.
func (k *Kept) serveClient(c *Client, p *pace) {
	begin := time.Now()
	table, missing := c.link.presentTable(), k.lacksSubscriptions()
	tried := table
	k.mu.Lock()
	k.client = c
	k.updateLocked(func(s *KeepStatus) {
		s.State, s.Adapter, s.Establishes, s.Subscribed = KeepReady, c.Adapter(), s.Establishes+1, k.subscribedLocked()
	})
	k.mu.Unlock()
	again := &again{longest: k.opts.longestWait()}
	defer again.stop()
	for {
		again.arm(missing)
		up, anew := k.serveUntilNews(c, table.replaced, again.due())
		if !up {
			break
		}
		if k.tryRest() {
			_ = c.Close() // the next Establish shares a link that the controller keeps
			k.endLinkSubscriptions(ErrIdle)
			return
		}
		if table = c.link.presentTable(); !table.equals(tried) {
			anew = true
		}
		if anew {
			again.stop()
		}
		_ = k.makeSubscriptions(k.ctx, c, anew) // the end of the link is found next
		// A subscription that discovers another table is tried on that one too: only
		// later changes are news, or a device that changes with each discovery would
		// have no rest.
		tried = c.link.presentTable()
		missing = k.lacksSubscriptions()
		k.update(func(s *KeepStatus) { s.Subscribed = k.subscribedLocked() })
	}
	err := c.Err()
	if k.isEnding() {
		err = cmp.Or(context.Cause(k.ctx), errManagerClosed)
	}
	_ = c.Close() // the program may have left a link that others share
	k.endLinkSubscriptions(err)
	if !k.isEnding() {
		k.enterDrop(err, p, time.Since(begin))
	}
}

// isEnding reports whether the Kept or its Manager ends.
func (k *Kept) isEnding() bool { return k.ctx.Err() != nil || k.m.ctx.Err() != nil }

// serveUntilNews waits while nothing happens to a Client. up is false if its link or the
// Kept has ended. anew reports that it is time to make again subscriptions that were
// refused.
func (k *Kept) serveUntilNews(c *Client, replaced <-chan struct{}, again <-chan time.Time) (up, anew bool) {
	var idle, next <-chan time.Time
	latest := c.link.lastIndicated().latest
	k.mu.Lock()
	if k.isIdleLocked() {
		t := time.NewTimer(time.Until(k.idleFrom.Add(k.opts.Idle)))
		defer t.Stop()
		idle = t.C
	}
	if first := k.nextTryLocked(latest); !first.IsZero() {
		t := time.NewTimer(time.Until(first))
		defer t.Stop()
		next = t.C
	}
	k.mu.Unlock()
	select {
	case <-c.Done():
		return false, false
	case <-k.ctx.Done():
		return false, false
	case <-again:
		return true, true
	case <-replaced:
	case <-k.poke:
	case <-idle:
	case <-next:
	}
	return true, false
}

// tryRest gives up the Client if there was no work for KeepOptions.Idle.
func (k *Kept) tryRest() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.isIdleLocked() || time.Since(k.idleFrom) < k.opts.Idle {
		return false
	}
	k.updateLocked(func(s *KeepStatus) { s.State, s.Rests = KeepIdle, s.Rests+1 })
	return true
}

// enterDrop counts a link that has ended by itself.
func (k *Kept) enterDrop(err error, p *pace, lasted time.Duration) {
	p.enterDrop(err, lasted)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.updateLocked(func(s *KeepStatus) {
		s.Drops, s.Err, s.ErrTime = s.Drops+1, err, time.Now()
		switch {
		case k.isIdleLocked():
			s.State = KeepIdle
		case p.mustWait():
			s.State, s.Until = KeepWaiting, p.until
		default:
			s.State = KeepConnecting
		}
	})
}
