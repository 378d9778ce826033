package gatt

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

// noteChange begins a new generation. It never waits.
func (c *Client) noteChange(r att.HandleRange, indicated bool) {
	for {
		l := c.changes.Load()
		if c.changes.CompareAndSwap(l, l.withChange(r)) {
			break
		}
	}
	if f := c.onChange.Load(); f != nil {
		(*f)(indicated)
	}
	c.changed.note(r, time.Now())
}

// HandleChanges sets a function that is called at each change of the peer's table, before
// the indication is confirmed: the peer forgets the change then, and does not indicate it
// again on another link. A change that is not indicated has shown itself by a refused
// request. If there has been a change, f is called before HandleChanges returns. f must
// return at once, and may be called from the loop and from any goroutine.
func (c *Client) HandleChanges(f func(indicated bool)) {
	c.onChange.Store(&f)
	if c.changes.Load().gen > 0 {
		f(true)
	}
}

// ExpectServiceChanged sets the handle of the value of Service Changed as a cached table
// has it. The peer may indicate a change before the table is known on this link.
func (c *Client) ExpectServiceChanged(h att.Handle) { c.learnServiceChanged(h) }

// changeSignal holds the changes that ServiceChanged has not returned.
type changeSignal struct {
	pending atomic.Pointer[pendingChange]
	ready   chan struct{} // one slot

	mu    sync.Mutex
	last  time.Time     // when a change was last returned; guarded by mu, as all below
	pause time.Duration // from then until the next one may be
	quiet time.Duration // without a change, after which the next one may be in any case
}

// pendingChange is one range around several changes, and the time of the latest.
type pendingChange struct {
	handles att.HandleRange
	latest  time.Time
}

// The least and the longest pause between changes that follow one another, and the least
// and the longest quiet that ends a pause.
const (
	leastPause   = time.Second
	longestPause = time.Minute
)

func (s *changeSignal) note(r att.HandleRange, now time.Time) {
	for {
		old := s.pending.Load()
		all := pendingChange{r, now}
		if old != nil {
			all.handles = union(r, old.handles)
		}
		if s.pending.CompareAndSwap(old, &all) {
			break
		}
	}
	s.wake()
}

func (s *changeSignal) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// take returns the changes, nil if there are none, unless they must wait: for the end of
// the pause or for quiet. A change after quiet may be due to what the caller did with the
// one before, so that the next quiet has to be longer.
func (s *changeSignal) take(now time.Time) (p *pendingChange, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p = s.pending.Load(); p == nil {
		return nil, 0
	}
	elapsed, noisy := now.Sub(s.last), max(s.quiet, leastPause)-now.Sub(p.latest)
	if wait = min(s.pause-elapsed, noisy); wait > 0 {
		return nil, wait
	}
	switch {
	case elapsed > 2*max(s.pause, leastPause): // the peer has come to rest
		s.pause, s.quiet = 0, 0
	default:
		s.pause = min(max(2*s.pause, leastPause), longestPause)
		if noisy <= 0 {
			s.quiet = min(2*max(s.quiet, leastPause), longestPause)
		}
	}
	s.last = now
	return s.pending.Swap(nil), 0
}

// ServiceChanged waits until attributes of the peer have changed, been added or
// removed. It returns the range of their handles, or the smallest range around
// all changes since the last call. A change is returned once, to one caller.
// Everything in the range must be discovered again; the client has already
// dropped its knowledge of it.
//
// Changes that follow one another are returned at growing intervals, up to one
// minute: some peers indicate a change whenever their table is discovered or
// Service Changed is enabled, and would be busy with that for ever. The last of
// many changes is returned once the peer has been quiet for a second, or for longer
// if that has led to further changes.
//
// The peer indicates changes by Service Changed if the client has enabled that;
// see [Client.EnableServiceChanged]. A request that the peer refuses with
// Database Out Of Sync counts as a change of all handles.
func (c *Client) ServiceChanged(ctx context.Context) (att.HandleRange, error) {
	defer c.changed.wake() // for other callers
	for {
		p, wait := c.changed.take(time.Now())
		if p != nil {
			return p.handles, nil
		}
		if err := c.awaitChange(ctx, wait); err != nil {
			return att.HandleRange{}, err
		}
	}
}

// awaitChange waits for a change or, if wait is not 0, for that time.
func (c *Client) awaitChange(ctx context.Context, wait time.Duration) error {
	ready := c.changed.ready
	var rested <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		ready, rested = nil, t.C // further changes do not end the wait
	}
	select {
	case <-ready:
		return nil
	case <-rested:
		return nil
	case <-ctx.Done():
		if c.b.Err() == nil {
			return fmt.Errorf("gatt: service changed: %w", context.Cause(ctx))
		}
	case <-c.b.Done():
	}
	return c.b.Err()
}
