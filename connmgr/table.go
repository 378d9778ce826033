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

var (
	deviceName   = gatt.UUID16(0x2A00)
	databaseHash = gatt.UUID16(0x2B2A)
	genericAttr  = gatt.UUID16(0x1801)
	changed      = gatt.UUID16(0x2A05)
)

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
		if !p.useCache || !l.fromCache(ctx) || l.isOutdated() {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := l.adapter.discoveries.enter(ctx); err != nil {
				return err
			}
			err := x.try.runStep(StepDiscovery, func() error { return l.rediscover(ctx) })
			l.adapter.discoveries.leave()
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
	if l.isCached() || known && l.isEmpty() {
		if err := l.rediscoverInTurn(ctx); err != nil {
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
	return l.askDevice(ctx)
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

// hasEntry reports whether the cache has a table of the device.
func (l *link) hasEntry() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry != nil
}

func (l *link) isCached() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cached
}

// isEmpty reports whether the device has shown a table without a service, as some do while
// they boot.
func (l *link) isEmpty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isEmptyLocked()
}

// isEmptyLocked is isEmpty. l.mu must be held.
func (l *link) isEmptyLocked() bool { return l.profile != nil && len(l.profile.Services) == 0 }

// checkRequirements returns a *MissingError for the first requirement that the table
// does not meet.
func (l *link) checkRequirements(rs []Requirement) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rs {
		if l.profile == nil || !slices.ContainsFunc(l.profile.Services, func(s gatt.Service) bool { return s.UUID == r.Service }) {
			return &MissingError{Service: r.Service, Empty: l.isEmptyLocked()}
		}
		for _, u := range r.Characteristics {
			if _, chr := l.profile.Characteristic(r.Service, u); chr == nil {
				return &MissingError{Service: r.Service, Characteristic: u}
			}
		}
	}
	return nil
}

// useTable makes a table, which the attribute client knows, that of the link. from is the
// number of changes before it was taken.
func (l *link) useTable(p *gatt.Profile, cached bool, from int) {
	l.mu.Lock()
	l.profile, l.cached, l.tableFrom = p, cached && l.changes == from, from
	close(l.tables)
	l.tables = make(chan struct{})
	l.mu.Unlock()
}

// repairTable discovers the table that takes the place of an outdated one, unless another
// caller that the old one has failed has done so meanwhile.
func (l *link) repairTable(ctx context.Context, outdated presentTable) error {
	return l.rediscoverIf(ctx, func() bool { return l.presentTable() == outdated })
}

// rediscoverIf discovers the table anew if it is outdated when all repairs that have begun
// before are over.
func (l *link) rediscoverIf(ctx context.Context, outdated func() bool) error {
	if err := l.repairing.enter(ctx); err != nil {
		return err
	}
	defer l.repairing.leave()
	if !outdated() {
		return nil
	}
	return l.rediscoverInTurn(ctx)
}

// rediscoverInTurn is rediscover within Config.MaxDiscoveries.
func (l *link) rediscoverInTurn(ctx context.Context) error {
	if err := l.adapter.discoveries.enter(ctx); err != nil {
		return err
	}
	defer l.adapter.discoveries.leave()
	return l.rediscover(ctx)
}

// rediscover discovers the table and caches it if it is certain; else the cache has none.
// A table whose device states a hash is certain if it has that hash. A hash that the
// table refutes does not count: another device could state the hash of this one, and put
// its own table in the place of this one's. Such a table is discovered twice, since it may
// have changed meanwhile, but for StepSecondDiscovery. A device that needs it may have
// forgotten the subscriptions: those that it has not any more have ended before the table
// comes into use.
func (l *link) rediscover(ctx context.Context) error {
	g := l.conn.GATT()
	var first *gatt.Profile // of two discoveries
	for {
		from := l.countChanges()
		bonded := l.isBonded()
		p, err := g.Rediscover(ctx)
		if err != nil {
			return err
		}
		e := &servicecache.Entry{Profile: p, Bonded: bonded, MTU: g.MTU(), Discovered: time.Now()}
		_, chr := p.Characteristic(genericAttr, changed)
		e.HasServiceChanged = chr != nil
		// A device that is booting may show no service, or refuse a part of its table.
		whole := len(p.Services) > 0 && g.Incomplete() == nil
		if whole {
			l.noteTable(p)
		}
		certain := whole
		if _, chr := p.Characteristic(genericAttr, databaseHash); chr != nil {
			hash, err := g.DatabaseHash(ctx)
			if err != nil && !isATT(err) {
				return err
			}
			if err == nil {
				e.Hash = (*servicecache.Hash)(&hash)
				certain = e.Hash.Proves(p) || whole && bonded && !e.Hash.Refutes(p)
			}
		}
		switch {
		case certain:
			l.m.traits.dropTraits(l.peer, StepSecondDiscovery)
		case e.Hash == nil || !e.Hash.Refutes(p): // the table tells nothing about the hash
		case first == nil && !l.hasFalseHash(p):
			first = p
			continue
		case first != nil && nameTable(first) == nameTable(p):
			l.noteFalseHash(p)
		}
		if err := g.ProveSubscriptions(ctx); err != nil {
			return err
		}
		l.useTable(p, false, from)
		switch {
		case certain:
			l.storeTable(e)
		case l.hasEntry():
			l.storeTable(nil)
		}
		return nil
	}
}
