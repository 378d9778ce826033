package connmgr

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
)

// guardDelay is the time between the first use of a link and the guard of its table,
// whose requests would delay the first ones of the program.
const guardDelay = time.Second

// guardTable detects changes of the attribute table while the link lasts: it announces
// robust caching and enables indications of Service Changed (Vol 3, Part G, 2.5.2 and
// 7.2), and then checks the table, which may have changed before. It then adds enhanced
// bearers. It ends with the link.
func (l *link) guardTable(ctx context.Context, p *plan, eatt bool) {
	guarded := sync.OnceFunc(func() { close(l.guarded) })
	defer guarded()
	skip := p.skips(StepServiceChanged)
	if eatt = eatt && !p.skips(StepEATT) && l.isEncrypted(); skip && !eatt || l.pauseFor(guardDelay) != nil {
		return
	}
	guards := !skip && !l.lacksServiceChanged() && l.beginGuard(ctx) == nil
	if eatt && l.conn.Err() == nil {
		l.addBearers(ctx)
	}
	guarded()
	for guards {
		r, e := l.conn.GATT().ServiceChanged(ctx)
		if e != nil {
			return
		}
		l.m.log.Debug("the device's table has changed", "address", l.peer, "handles", r)
		guards = unlessStale(l.renewTable(ctx)) == nil
	}
}

// beginGuard makes the requests of the guard, and checks the table.
func (l *link) beginGuard(ctx context.Context) error {
	wasGuarded := l.isSubscribed()
	l.beginTrial(StepServiceChanged)
	err := l.enableGuard(ctx)
	if isChange(err) {
		err = nil // a change that the loop below learns of
	}
	switch {
	case err == nil:
		l.passTrial()
	case l.conn.Err() != nil: // failTrial decides
		return err
	default:
		l.dropTrial()
	}
	if (err == nil || isATT(err)) && !wasGuarded && l.hasChangedUnguarded(ctx) {
		l.m.log.Debug("the device's table has changed before it was guarded", "address", l.peer)
		l.replaceOutdated(ctx, func() bool { return true })
		err = unlessStale(l.renewTable(ctx))
	}
	if isATT(err) && !errclass.Of(err).Action.Has(errclass.Secure) {
		l.m.traits.storeTrait(l.peer, l.tableName(), StepServiceChanged, err.Error())
	}
	return err
}

// unlessStale returns err unless it shows a change of the table: the guard learns of that
// next.
func unlessStale(err error) error {
	if errors.Is(err, gatt.ErrStale) {
		return nil
	}
	return err
}

// renewTable discovers the table after a change and guards it again. A device that has
// forgotten the guard may have changed its table once more after the discovery.
func (l *link) renewTable(ctx context.Context) error {
	if !l.replaceOutdated(ctx, l.isOutdated) {
		return nil
	}
	kept, err := l.enableServiceChanged(ctx)
	if kept || err != nil {
		return err
	}
	if !l.hasChangedUnguarded(ctx) {
		return l.conn.GATT().ProveSubscriptions(ctx)
	}
	if !l.replaceOutdated(ctx, func() bool { return true }) {
		return nil
	}
	_, err = l.enableServiceChanged(ctx)
	return err
}

// replaceOutdated discovers the table anew if it is out of date. After a failure, the next
// operation does. False means that a further change has ended the discovery: the guard
// learns of that next, at the pace of the changes.
func (l *link) replaceOutdated(ctx context.Context, outdated func() bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.endDiscovery = cancel
	l.mu.Unlock()
	err := l.rediscoverIf(ctx, outdated)
	if err != nil {
		l.m.log.Debug("table not discovered anew", "address", l.peer, "error", err)
	}
	return err == nil || ctx.Err() == nil
}

// hasChangedUnguarded reports whether the device has another table than that in use, by
// its hash or else by its services. A table without a hash is a hint from then on, whose
// attributes are compared before their use.
func (l *link) hasChangedUnguarded(ctx context.Context) bool {
	l.mu.Lock()
	p, e, outdated := l.profile, l.entry, l.tableFrom != l.changes
	l.mu.Unlock()
	g := l.conn.GATT()
	switch {
	case p == nil || outdated: // discovered anew next
		return false
	case e == nil || e.Hash == nil:
		return errors.Is(g.ProveProfile(ctx, p), gatt.ErrStale)
	}
	hash, err := g.DatabaseHash(ctx)
	return err == nil && hash != [16]byte(*e.Hash) || errors.Is(err, gatt.ErrNotFound)
}

// isSubscribed reports whether the bonded device has indicated changes since the begin of
// the link: Service Changed was enabled on an earlier one.
func (l *link) isSubscribed() bool {
	l.mu.Lock()
	e := l.entry
	l.mu.Unlock()
	return e != nil && e.Subscribed && l.isBonded()
}

// enableGuard makes the requests of the guard. Without them, only a failing operation
// shows a change of the table.
func (l *link) enableGuard(ctx context.Context) error {
	if err := l.conn.GATT().WriteClientSupportedFeatures(ctx); err != nil {
		l.m.log.Debug("robust caching not announced", "address", l.peer, "error", err)
	}
	_, err := l.enableServiceChanged(ctx)
	return err
}

// enableServiceChanged reports whether Service Changed has been enabled all the time.
func (l *link) enableServiceChanged(ctx context.Context) (kept bool, err error) {
	kept, err = l.conn.GATT().RestoreServiceChanged(ctx)
	if err != nil {
		l.m.log.Debug("service changed not enabled", "address", l.peer, "error", err)
		return false, err
	}
	l.mu.Lock()
	l.guards = true
	l.mu.Unlock()
	l.markSubscribed()
	return kept, nil
}

// restoreGuard enables Service Changed again after a repair that the device has not asked
// for: it may have forgotten that, too. A failure is logged.
func (l *link) restoreGuard(ctx context.Context) {
	l.mu.Lock()
	guards := l.guards
	l.mu.Unlock()
	if guards {
		_, _ = l.enableServiceChanged(ctx)
	}
}

// lacksServiceChanged reports whether the device has no Service Changed, so that its
// table never changes, or its table is not known.
func (l *link) lacksServiceChanged() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.profile == nil {
		return true
	}
	_, chr := l.profile.Characteristic(genericAttr, changed)
	return chr == nil
}

// pauseFor waits for d or the end of the link.
func (l *link) pauseFor(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.conn.Done():
		return l.conn.Err()
	}
}
