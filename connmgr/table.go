package connmgr

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/servicecache"
)

// answerTime is how long a device may take to answer a request (Vol 3, Part F, 3.3.3).
const answerTime = 30 * time.Second

var (
	primaryService = gatt.UUID16(0x2800)
	deviceName     = gatt.UUID16(0x2A00)
	databaseHash   = gatt.UUID16(0x2B2A)
	genericAttr    = gatt.UUID16(0x1801)
	changed        = gatt.UUID16(0x2A05)
)

// checkAlive checks that the device of an existing link is there. It asks only on an
// idle bearer, since a device that takes its time for the request of another user is
// alive, and waits for as long as ATT allows. That a packet was heard lately does not
// suffice: a device that has restarted was heard until then. The error is the end of
// the link or of ctx.
func (l *link) checkAlive(ctx context.Context) error {
	if since, busy := l.conn.Bearer().Outstanding(); busy && time.Since(since) < answerTime {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return l.conn.Err()
	}
	_, err := att.Do(ctx, l.conn.Bearer(), att.ReadByTypeReq{Start: att.HandleMin, End: att.HandleMax, Type: deviceName})
	if isATT(err) { // an error is an answer, too
		return nil
	}
	return err
}

// loadTable makes the attribute table of the link known: from the cache where Vol 3,
// Part G, 2.5.2 permits it, else by discovery.
func (x *attempts) loadTable(ctx context.Context, c *Client) error {
	l, o := c.link, x.opts
	g := l.conn.GATT()
	l.mu.Lock()
	known := l.profile != nil
	l.mu.Unlock()
	if !known {
		if !o.DisableMTU && !x.lessons.omits(StepMTU) {
			if err := x.lessons.tryStep(StepMTU, func() error {
				_, err := g.ExchangeMTU(ctx)
				return unlessATT(err)
			}); err != nil {
				return err
			}
		}
		if o.DisableDiscovery {
			return nil
		}
		if x.lessons.omits(StepDiscovery) && o.Require == nil {
			return x.proveAlive(ctx, l)
		}
		if o.DisableCache || !l.fromCache(ctx) {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			err := x.lessons.tryStep(StepDiscovery, func() error { return l.rediscover(ctx) })
			if refusesDiscovery(err) && o.Require == nil {
				x.lessons.leaveOut(StepDiscovery, err)
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	if l.checkRequirements(o.Require) == nil {
		return nil
	}
	if l.isCached() {
		if err := l.rediscover(ctx); err != nil {
			return err
		}
	}
	if m := l.checkRequirements(o.Require); m != nil {
		return m
	}
	return nil
}

// proveAlive makes one request on a link that no other step has made one on: without it,
// a link that the device is about to end would count as ready.
func (x *attempts) proveAlive(ctx context.Context, l *link) error {
	if x.lessons.alive {
		return nil
	}
	return l.checkAlive(ctx)
}

// unlessATT returns err unless it is an answer of the device.
func unlessATT(err error) error {
	if isATT(err) {
		return nil
	}
	return err
}

func isATT(err error) bool {
	_, ok := errors.AsType[*att.Error](err)
	return ok
}

func (l *link) isCached() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cached
}

// checkRequirements returns a *MissingError for the first requirement that the table
// does not meet.
func (l *link) checkRequirements(rs []Requirement) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rs {
		if l.profile == nil || !slices.ContainsFunc(l.profile.Services, func(s gatt.Service) bool { return s.UUID == r.Service }) {
			return &MissingError{Service: r.Service}
		}
		for _, u := range r.Characteristics {
			if _, chr := l.profile.Characteristic(r.Service, u); chr == nil {
				return &MissingError{r.Service, u}
			}
		}
	}
	return nil
}

// fromCache uses the cached table if it is the present one of the device: by its
// Database Hash if it has one, else if nothing can have changed and one request agrees.
// It reports whether it does.
func (l *link) fromCache(ctx context.Context) bool {
	e, ok := l.m.cache.Get(l.peer)
	if !ok || len(e.Profile.Services) == 0 || e.Hash != nil && e.Hash.Refutes(e.Profile) {
		return false
	}
	peer := servicecache.Peer{Bonded: l.isBonded()}
	verdict := servicecache.Decide(e, peer)
	if verdict == servicecache.ReadHash {
		hash, err := l.conn.GATT().DatabaseHash(ctx)
		if err != nil && !isATT(err) && !errors.Is(err, gatt.ErrNotFound) {
			return false
		}
		peer.HashRead = true
		if err == nil {
			peer.Hash = (*servicecache.Hash)(&hash)
		}
		if verdict = servicecache.Decide(e, peer); verdict != servicecache.Use && peer.Hash != nil {
			// The table may be cached for another device of the same model.
			if e, ok = l.m.cache.GetByHash(*peer.Hash); ok {
				verdict = servicecache.Use
			}
		}
	}
	if verdict == servicecache.Prove {
		peer.ProofRead, peer.Proved = true, l.agreesWith(ctx, e.Profile)
		verdict = servicecache.Decide(e, peer)
	}
	if verdict != servicecache.Use {
		return false
	}
	l.useTable(e.Profile, true)
	return true
}

// agreesWith asks the device for its services from the last one of the table p on, and
// reports whether it has that one alone. New firmware with another service, or with
// other handles, does not. A device without Service Changed and hash should never
// change its table (Vol 3, Part G, 2.5.2), but firmware updates do.
func (l *link) agreesWith(ctx context.Context, p *gatt.Profile) bool {
	i := len(p.Services) - 1
	for i >= 0 && !p.Services[i].Primary {
		i--
	}
	if i < 0 {
		return false
	}
	last := &p.Services[i]
	rsp, err := att.Do(ctx, l.conn.Bearer(), att.ReadByGroupTypeReq{Start: last.Handle, End: att.HandleMax, Type: primaryService})
	if err != nil {
		return false
	}
	n, same := 0, false
	for s := range rsp.All() {
		n++
		same = s.Handle == last.Handle && s.End == last.End && slices.Equal(s.Value, last.UUID.AppendWire(nil))
	}
	return same && n == 1
}

func (l *link) useTable(p *gatt.Profile, cached bool) {
	l.conn.GATT().SetProfile(p)
	l.mu.Lock()
	l.profile, l.cached = p, cached
	l.mu.Unlock()
}

// rediscover discovers the table and caches it if it is certain. A table whose device
// states a hash is certain if it has that hash. What the device states does not count
// where the table refutes it: another device could state the hash of this one, and put
// its own table in the place of this one's.
func (l *link) rediscover(ctx context.Context) error {
	g := l.conn.GATT()
	for try := 0; ; try++ {
		p, err := g.Rediscover(ctx)
		if err != nil {
			return err
		}
		e := &servicecache.Entry{Profile: p, MTU: g.MTU(), Discovered: time.Now()}
		_, chr := p.Characteristic(genericAttr, changed)
		e.HasServiceChanged = chr != nil
		// A device that is booting may show no service, or refuse a part of its table.
		whole := len(p.Services) > 0 && g.Incomplete() == nil
		certain := whole
		if _, chr := p.Characteristic(genericAttr, databaseHash); chr != nil {
			hash, err := g.DatabaseHash(ctx)
			if err != nil && !isATT(err) {
				return err
			}
			if err == nil {
				e.Hash = (*servicecache.Hash)(&hash)
				certain = e.Hash.Proves(p) || whole && l.isBonded() && !e.Hash.Refutes(p)
			}
		}
		if !certain && e.Hash != nil && e.Hash.Refutes(p) && try == 0 {
			continue // the table has changed meanwhile
		}
		l.useTable(p, false)
		if certain {
			return l.keepTable(ctx, e)
		}
		return nil
	}
}

// keepTable caches an entry and waits for that, but no longer than ctx allows: another
// process may have locked the cache.
func (l *link) keepTable(ctx context.Context, e *servicecache.Entry) error {
	if !l.m.enterCall() {
		return errManagerClosed
	}
	stored := make(chan struct{})
	go func() {
		defer l.m.tasks.Done()
		defer close(stored)
		l.storeTable(e)
	}()
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *link) storeTable(e *servicecache.Entry) {
	peer := l.peer
	if peer.IsResolvable() || peer.IsNonResolvable() {
		return // another device may use the address later
	}
	if err := l.m.cache.Put(peer, e); err != nil {
		l.m.log.Warn("attribute table not cached", "address", peer, "error", err)
	}
}
