package connmgr

import (
	"context"
	"time"
)

// guardDelay is how long after a link is ready its table is put under guard,
// so that the program's first requests do not wait behind those for that.
const guardDelay = time.Second

// guardTable sees to it that a change of the device's table is noticed while the
// link lasts: the device is told that this client understands robust caching,
// and asked to indicate Service Changed (Vol 3, Part G, 2.5.2 and 7.2). It ends
// with the link.
func (l *link) guardTable(ctx context.Context) {
	if l.pauseFor(guardDelay) != nil || l.lacksServiceChanged() {
		return
	}
	g := l.conn.GATT()
	// Without the one or the other a change is noticed by what it breaks.
	if err := g.WriteClientSupportedFeatures(ctx); err != nil {
		l.m.log.Debug("robust caching not announced", "address", l.peer, "error", err)
	}
	for {
		if err := g.EnableServiceChanged(ctx); err != nil {
			l.m.log.Debug("service changed not enabled", "address", l.peer, "error", err)
			return
		}
		l.noteSubscribed()
		r, err := g.ServiceChanged(ctx)
		if err != nil {
			return
		}
		l.m.log.Debug("the device's table has changed", "address", l.peer, "handles", r)
		if err := l.rediscover(ctx); err != nil {
			l.m.log.Debug("table not discovered anew", "address", l.peer, "error", err)
		}
	}
}

// noteSubscribed notes with the cached table that a bonded device will tell of
// changes by itself from now on, even of those while it is not connected.
func (l *link) noteSubscribed() {
	if !l.isBonded() {
		return
	}
	if e, ok := l.m.cache.Get(l.peer); ok && (!e.Bonded || !e.Subscribed) {
		e.Bonded, e.Subscribed = true, true
		l.storeTable(e)
	}
}

// lacksServiceChanged reports whether the device cannot tell of a change: it has no
// Service Changed, so its table never does, or its table is not known.
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
