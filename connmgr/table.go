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
	l, o, p := c.link, x.opts, &x.try.plan
	g := l.conn.GATT()
	l.mu.Lock()
	known := l.profile != nil
	l.mu.Unlock()
	if !known {
		if !o.DisableMTU && !p.skips(StepMTU) {
			if err := x.try.runStep(StepMTU, func() error {
				_, err := g.ExchangeMTU(ctx)
				return unlessATT(err)
			}); err != nil {
				return err
			}
		}
		if o.DisableDiscovery {
			return nil
		}
		if p.skips(StepDiscovery) && o.Require == nil {
			return x.proveAlive(ctx, l)
		}
		if !p.useCache || !l.fromCache(ctx) {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			err := x.try.runStep(StepDiscovery, func() error { return l.rediscover(ctx) })
			if refusesDiscovery(err) && o.Require == nil {
				x.try.refusal = err.Error()
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
	if x.try.alive {
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

// useTable uses a cached table, which the Client does not know yet, or a discovered one.
func (l *link) useTable(p *gatt.Profile, cached bool) {
	if cached {
		l.conn.GATT().SetProfile(p)
	}
	l.mu.Lock()
	l.profile, l.cached = p, cached
	l.mu.Unlock()
}

// rediscover discovers the table and caches it if it is certain. A table whose device
// states a hash is certain if it has that hash. A hash that
// the table refutes does not count: another device could state the hash of this one, and put
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
