package gatt

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

// knowledge is the part of the peer's table that a client has discovered. It is
// valid only while the table is of the same generation.
type knowledge struct {
	gen      uint64
	profile  *Profile                    // the whole table; nil if not discovered
	refused  error                       // a step of its discovery
	services map[UUID][]Service          // discovered alone, without descriptors and includes
	descs    map[att.Handle][]Descriptor // of their characteristics, by value handle
}

// knownLocked returns the knowledge of the current table.
func (c *Client) knownLocked() *knowledge {
	if gen := c.changes.Load().gen; c.known.gen != gen {
		c.known = knowledge{gen: gen}
	}
	return &c.known
}

// SetProfile sets a cached table, so that nothing needs to be discovered. The
// caller must know that it is valid: see [Client.DatabaseHash], and Vol 3, Part
// G, 2.5.2 for the rules. Nil forgets the table. The client keeps a copy.
func (c *Client) SetProfile(p *Profile) {
	if p != nil {
		p = p.Clone()
	}
	c.setProfile(p, nil, c.changes.Load().gen)
}

// Incomplete returns why the discovered table may lack attributes: the peer has
// refused a step of the discovery with a code that does not mean the end of the
// table. The table is usable on this link, but another discovery may find more,
// so that it should not be kept for a later one. Nil means that nothing is known
// to be missing.
func (c *Client) Incomplete() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.knownLocked().refused
}

// setProfile keeps p, which must not change any more, for a generation. refused
// is the refused step of its discovery.
func (c *Client) setProfile(p *Profile, refused error, gen uint64) {
	c.mu.Lock()
	if k := c.knownLocked(); k.gen == gen {
		*k = knowledge{gen: gen, profile: p, refused: refused}
	}
	c.mu.Unlock()
	if p == nil {
		return
	}
	if _, chr := p.Characteristic(UUID16(typeGenericAttribute), UUID16(typeServiceChanged)); chr != nil {
		c.learnServiceChanged(chr.Value)
	}
}

// cachedProfile returns the complete table, nil if it is not known, and its
// generation. The table must not be changed.
func (c *Client) cachedProfile() (*Profile, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knownLocked()
	return k.profile, k.gen
}

// changeLog lists the changes of the peer's table, oldest first. It is replaced,
// never modified, so that the loop reads it without a lock.
type changeLog struct {
	gen     uint64 // of the current table; begins at 0
	changes []change
}

type change struct {
	gen    uint64 // of the table after the change
	handle att.HandleRange
}

// maxChanges bounds the log. When it is full, all changes are merged into one.
const maxChanges = 16

// withChange returns a log with one more change.
func (l *changeLog) withChange(r att.HandleRange) *changeLog {
	n := &changeLog{gen: l.gen + 1}
	old := l.changes
	if len(old) == maxChanges {
		merged := old[0]
		for _, ch := range old[1:] {
			merged = change{ch.gen, union(merged.handle, ch.handle)}
		}
		old = []change{merged}
	}
	n.changes = append(append(n.changes, old...), change{n.gen, r})
	return n
}

// touched reports whether a part of r has changed after the generation since.
func (l *changeLog) touched(since uint64, r att.HandleRange) bool {
	for _, ch := range l.changes {
		if ch.gen > since && ch.handle.Start <= r.End && r.Start <= ch.handle.End {
			return true
		}
	}
	return false
}

// noteChange begins a new generation. It never waits.
func (c *Client) noteChange(r att.HandleRange) {
	for {
		l := c.changes.Load()
		if c.changes.CompareAndSwap(l, l.withChange(r)) {
			break
		}
	}
	c.changed.note(r)
}

// changeSignal holds the changes that ServiceChanged has not returned.
type changeSignal struct {
	pending atomic.Pointer[att.HandleRange] // one range around all of them
	ready   chan struct{}                   // one slot

	mu    sync.Mutex
	last  time.Time     // when a change was last returned; guarded by mu, as all below
	pause time.Duration // from then until the next one may be
}

// The least and the longest pause between changes that follow one another.
const (
	leastPause   = time.Second
	longestPause = time.Minute
)

func (s *changeSignal) note(r att.HandleRange) {
	for {
		old := s.pending.Load()
		all := r
		if old != nil {
			all = union(r, *old)
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

// take returns the changes, nil if there are none, unless they must wait.
func (s *changeSignal) take(now time.Time) (r *att.HandleRange, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending.Load() == nil {
		return nil, 0
	}
	elapsed := now.Sub(s.last)
	if wait = s.pause - elapsed; wait > 0 {
		return nil, wait
	}
	if elapsed > 2*max(s.pause, leastPause) {
		s.pause = 0 // the peer has come to rest
	} else {
		s.pause = min(max(2*s.pause, leastPause), longestPause)
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
// Service Changed is enabled, and would be busy with that for ever.
//
// The peer indicates changes by Service Changed if the client has enabled that;
// see [Client.EnableServiceChanged]. A request that the peer refuses with
// Database Out Of Sync counts as a change of all handles.
func (c *Client) ServiceChanged(ctx context.Context) (att.HandleRange, error) {
	defer c.changed.wake() // for other callers
	for {
		r, wait := c.changed.take(time.Now())
		if r != nil {
			return *r, nil
		}
		if err := c.awaitChange(ctx, wait); err != nil {
			return att.HandleRange{}, err
		}
	}
}

// awaitChange waits for a change or, if wait is not 0, for the end of the pause
// after the last one.
func (c *Client) awaitChange(ctx context.Context, wait time.Duration) error {
	ready := c.changed.ready
	var rested <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		ready, rested = nil, t.C // further changes do not end the pause
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
