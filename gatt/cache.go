package gatt

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/moor-ble/moor/gatt/att"
)

// knowledge is what a client has found out about the peer's table. It counts
// only as long as the table is that of its generation.
type knowledge struct {
	gen      uint64
	profile  *Profile                    // complete; nil: not discovered
	services map[UUID][]Service          // those looked up singly, without descriptors and includes
	descs    map[att.Handle][]Descriptor // of those, by value handle
}

// knownLocked returns what is known of the present table.
func (c *Client) knownLocked() *knowledge {
	if gen := c.changes.Load().gen; c.known.gen != gen {
		c.known = knowledge{gen: gen}
	}
	return &c.known
}

// SetProfile gives the client a table that is known from before, so that nothing
// has to be discovered. Whether it is still right is the caller's to know: see
// [Client.DatabaseHash], and Vol 3, Part G, 2.5.2 for the rules. Nil forgets the
// table. The client keeps a copy.
func (c *Client) SetProfile(p *Profile) {
	if p != nil {
		p = p.Clone()
	}
	c.setProfile(p, c.changes.Load().gen)
}

// setProfile keeps p, which nobody changes anymore, for a generation.
func (c *Client) setProfile(p *Profile, gen uint64) {
	c.mu.Lock()
	if k := c.knownLocked(); k.gen == gen {
		*k = knowledge{gen: gen, profile: p}
	}
	c.mu.Unlock()
	if p == nil {
		return
	}
	if _, chr := p.Characteristic(UUID16(typeGenericAttribute), UUID16(typeServiceChanged)); chr != nil {
		c.learnServiceChanged(chr.Value)
	}
}

// cachedProfile returns the complete table if it is known. It must not be
// changed.
func (c *Client) cachedProfile() (*Profile, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knownLocked()
	return k.profile, k.gen
}

// changeLog is what has happened to the peer's table, oldest first. It is
// replaced, never changed, so that the loop need not wait to read it.
type changeLog struct {
	gen     uint64 // of the present table; 0 at first
	changes []change
}

type change struct {
	gen    uint64 // of the table after it
	handle att.HandleRange
}

// maxChanges bounds the log. Older changes become one, of all handles that they
// touched together.
const maxChanges = 16

// withChange returns the log with one more change.
func (l *changeLog) withChange(r att.HandleRange) *changeLog {
	n := &changeLog{gen: l.gen + 1}
	old := l.changes
	if len(old) == maxChanges {
		merged := old[0]
		for _, ch := range old[1:] {
			merged = change{ch.gen, hull(merged.handle, ch.handle)}
		}
		old = []change{merged}
	}
	n.changes = append(append(n.changes, old...), change{n.gen, r})
	return n
}

// touched reports whether a range has changed since the table of a generation.
func (l *changeLog) touched(since uint64, r att.HandleRange) bool {
	for _, ch := range l.changes {
		if ch.gen > since && ch.handle.Start <= r.End && r.Start <= ch.handle.End {
			return true
		}
	}
	return false
}

// hull returns the smallest range that has both in it.
func hull(a, b att.HandleRange) att.HandleRange {
	return att.HandleRange{Start: min(a.Start, b.Start), End: max(a.End, b.End)}
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

// changeSignal holds the changes that nobody has been told of.
type changeSignal struct {
	pending atomic.Pointer[att.HandleRange] // all of them as one range
	ready   chan struct{}                   // one slot
}

func (s *changeSignal) note(r att.HandleRange) {
	for {
		old := s.pending.Load()
		all := r
		if old != nil {
			all = hull(r, *old)
		}
		if s.pending.CompareAndSwap(old, &all) {
			break
		}
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// ServiceChanged waits until the peer has said that attributes in a range of
// handles have changed, been added or removed, and returns that range, or the
// smallest that takes in all changes since the last call. It is said once,
// whoever calls. Everything in the range has to be discovered again; what the
// client knew has been dropped already.
//
// The peer says so by Service Changed, if it has been asked to; see
// [Client.EnableServiceChanged]. Refusing a request as out of sync counts as a
// change of all handles.
func (c *Client) ServiceChanged(ctx context.Context) (att.HandleRange, error) {
	for {
		if r := c.changed.pending.Swap(nil); r != nil {
			return *r, nil
		}
		select {
		case <-c.changed.ready:
			continue
		case <-ctx.Done():
			if c.b.Err() == nil {
				return att.HandleRange{}, fmt.Errorf("gatt: service changed: %w", context.Cause(ctx))
			}
		case <-c.b.Done():
		}
		return att.HandleRange{}, c.b.Err()
	}
}
