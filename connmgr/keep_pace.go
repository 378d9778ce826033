package connmgr

import (
	"errors"
	"time"
)

const (
	// shortestWait is the first wait between two calls of Establish of a Keep, and the one
	// that no news end early.
	shortestWait = time.Second
	// steadyAfter is how long a link has to last for the waits of a Keep to begin anew.
	steadyAfter = 30 * time.Second
)

// pace decides when a Keep may establish again. It belongs to the goroutine of the Keep.
//
//	event                          next Establish
//	link ends after steadyAfter    at once; the waits begin anew
//	link ends with its adapter     at once
//	link ends sooner               after the next wait, whatever happens
//	Establish fails                after the next wait, or shortestWait and news
//	link ends for want of work     with the next work
//
// A device that ends each link at once is back on air at once, so that hearing it is no
// reason to go on earlier.
type pace struct {
	longest time.Duration
	wait    time.Duration // the last one; 0 if the next one is the first
	until   time.Time     // when the Keep may establish again; the zero time is now
	failed  *Attempt      // the last one of an Establish whose reason to wait may pass; nil: none
}

// enterDrop enters the end of a link that has lasted for some time.
func (p *pace) enterDrop(err error, lasted time.Duration) {
	p.until, p.failed = time.Time{}, nil
	switch {
	case lasted >= steadyAfter:
		p.wait = 0
	case isOutage(err):
	default:
		p.beginWait()
	}
}

// enterFailure enters a failed Establish.
func (p *pace) enterFailure(err error) {
	p.beginWait()
	p.failed = nil
	if e, ok := errors.AsType[*EstablishError](err); ok {
		p.failed = &e.Attempts[len(e.Attempts)-1]
	}
}

func (p *pace) beginWait() {
	p.wait = min(max(2*p.wait, shortestWait), p.longest)
	p.until = time.Now().Add(p.wait)
}

// mustWait reports whether the Keep may not establish now.
func (p *pace) mustWait() bool { return time.Until(p.until) > 0 }

// watchNews returns a channel that is closed when the reason of the last failure may be
// gone, nil if that does not count, and a function that ends the watch.
func (k *Kept) watchNews(p *pace) (<-chan struct{}, func()) {
	o := &k.opts.Options
	policy := k.m.policyFor(o)
	if p.failed == nil || policy.NoWake {
		return nil, func() {}
	}
	x := &attempts{m: k.m, opts: o, policy: policy, target: k.target, last: k.m.Adapter(p.failed.Adapter)}
	if p.failed.Address.MAC != k.target.addr.MAC {
		x.target = target{p.failed.Address, true} // of Options.Device
	}
	x.identifyTarget()
	return x.watchNews(p.failed)
}

// awaitTurn waits until the Keep may establish. It returns false as soon as the work for
// that is gone, or the Keep ends. Work that comes then has to wait for the rest.
func (k *Kept) awaitTurn(p *pace) bool {
	if !p.mustWait() {
		return k.ctx.Err() == nil
	}
	k.update(func(s *KeepStatus) { s.State, s.Until = KeepWaiting, p.until })
	defer k.m.duty.beginWait()()
	news, stop := k.watchNews(p)
	defer stop()
	rest := time.NewTimer(time.Until(p.until))
	defer rest.Stop()
	least := time.NewTimer(shortestWait)
	defer least.Stop()
	var woken <-chan struct{}
	for !k.isIdle() {
		select {
		case <-rest.C:
			return true
		case <-least.C:
			woken = news
		case <-woken:
			return true
		case <-k.poke:
		case <-k.ctx.Done():
			return false
		}
	}
	return false
}
