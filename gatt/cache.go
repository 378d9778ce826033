package gatt

import (
	"cmp"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/loop"
)

// knowledge is the part of the peer's table that a client has discovered. It is
// valid only while the table is of the same generation.
type knowledge struct {
	gen      uint64
	profile  *Profile                    // the whole table; nil if not discovered
	refused  error                       // a step of its discovery
	services map[UUID][]Service          // discovered alone, without descriptors and includes
	descs    map[att.Handle][]Descriptor // of their characteristics, by value handle
	// forgotten is a table that was dropped without another in its place, and partly
	// the services that were discovered alone: there may be Chars of them.
	forgotten *Profile
	partly    []Service
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
// G, 2.5.2 for the rules. [Client.ProveProfile] is for one that may be outdated.
// Nil forgets the table. The client keeps a copy.
//
// Chars and Subscriptions of a service that the client knew and that p does not
// have in the same form end with ErrStale: their handles are those of another
// table. [Client.Rediscover] does the same.
func (c *Client) SetProfile(p *Profile) {
	if p != nil {
		p = p.Clone()
	}
	c.setProfile(p, nil, c.changes.Load().gen)
}

// HasProfile reports whether the whole table is known: it has been set or discovered, and
// the peer has not shown since that it has changed.
func (c *Client) HasProfile() bool {
	p, _ := c.cachedProfile()
	return p != nil
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
// is the refused step of its discovery. If services are other than those that the
// client knew, a new generation begins. The result is the generation of p.
func (c *Client) setProfile(p *Profile, refused error, gen uint64) uint64 {
	now, stale := c.replaceProfile(p, refused, gen)
	if p != nil && now == c.changes.Load().gen {
		c.tableFrom.Store(now + 1)
	}
	if stale {
		// If Post fails, the link has ended, and the subscriptions with it.
		c.b.Post(loop.Func(func(time.Time) { c.values.endStale() }))
	}
	if p == nil {
		return now
	}
	if _, chr := p.Characteristic(UUID16(typeGenericAttribute), UUID16(typeServiceChanged)); chr != nil {
		c.learnServiceChanged(chr.Value)
	}
	return now
}

// replaceProfile is the part of setProfile about the knowledge. stale is set if it
// has begun a new generation.
func (c *Client) replaceProfile(p *Profile, refused error, gen uint64) (now uint64, stale bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knownLocked()
	if k.gen != gen {
		return gen, false
	}
	was, partly := cmp.Or(k.profile, k.forgotten), k.partly
	for _, services := range k.services {
		partly = append(partly, services...)
	}
	if p != nil {
		c.hint.Store(nil)
	}
	if p == nil || refused != nil { // a part of p may be missing
		*k = knowledge{gen: gen, profile: p, refused: refused, forgotten: was, partly: partly}
		return gen, false
	}
	if r := union(outdated(was, p, sameService), outdated(&Profile{Services: partly}, p, sameCharacteristics)); r.Valid() {
		l := c.changes.Load()
		// Otherwise the peer has changed its table meanwhile, and p is useless.
		if stale = l.gen == gen && c.changes.CompareAndSwap(l, l.withChange(r)); stale {
			gen = l.gen + 1
		}
	}
	*k = knowledge{gen: gen, profile: p}
	return gen, stale
}

// outdated returns the smallest range around the services of a table, which may be nil,
// that p does not have in the same form. The zero range is none.
func outdated(was, p *Profile, same func(a, b *Service) bool) (r att.HandleRange) {
	if was == nil {
		return r
	}
	for i := range was.Services {
		old := &was.Services[i]
		j := slices.IndexFunc(p.Services, func(s Service) bool { return s.Handle == old.Handle })
		if j < 0 || !same(old, &p.Services[j]) {
			r = union(r, old.Range())
		}
	}
	return r
}

// sameService reports whether two services have the same attributes.
func sameService(a, b *Service) bool {
	return a.Primary == b.Primary && slices.Equal(a.Includes, b.Includes) && sameCharacteristics(a, b) &&
		slices.EqualFunc(a.Characteristics, b.Characteristics, func(x, y Characteristic) bool {
			return slices.Equal(x.Descriptors, y.Descriptors)
		})
}

// sameCharacteristics reports whether two services have the same characteristics,
// regardless of descriptors and includes.
func sameCharacteristics(a, b *Service) bool {
	return a.UUID == b.UUID && a.End == b.End && slices.EqualFunc(a.Characteristics, b.Characteristics, func(x, y Characteristic) bool {
		return x.UUID == y.UUID && x.Handle == y.Handle && x.Value == y.Value && x.End == y.End && x.Properties == y.Properties
	})
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
