package connmgr

import (
	"context"
	"sync"
	"time"

	"github.com/moor-ble/moor/errclass"
)

// guardDelay is the time between the first use of a link and the guard of its table,
// whose requests would delay the first ones of the program.
const guardDelay = time.Second

// guardTable detects changes of the attribute table while the link lasts: it announces
// robust caching and enables indications of Service Changed (Vol 3, Part G, 2.5.2 and
// 7.2). It ends with the link.
func (l *link) guardTable(ctx context.Context, omit bool) {
	guarded := sync.OnceFunc(func() { close(l.guarded) })
	defer guarded()
	if omit || l.pauseFor(guardDelay) != nil || l.lacksServiceChanged() {
		return
	}
	l.beginTrial(StepServiceChanged)
	err := l.enableGuard(ctx)
	switch {
	case err == nil:
		l.passTrial()
	case l.conn.Err() != nil: // failTrial decides
		return
	default:
		l.dropTrial()
		if isATT(err) && !errclass.Of(err).Action.Has(errclass.Secure) {
			l.m.traits.storeTrait(l.peer, l.tableName(), StepServiceChanged, err.Error())
		}
	}
	guarded()
	for err == nil {
		r, e := l.conn.GATT().ServiceChanged(ctx)
		if e != nil {
			return
		}
		l.m.log.Debug("the device's table has changed", "address", l.peer, "handles", r)
		if e := l.rediscover(ctx); e != nil {
			l.m.log.Debug("table not discovered anew", "address", l.peer, "error", e)
		}
		err = l.enableServiceChanged(ctx)
	}
}

// enableGuard makes the requests of the guard. Without them, only a failing operation
// shows a change of the table.
func (l *link) enableGuard(ctx context.Context) error {
	if err := l.conn.GATT().WriteClientSupportedFeatures(ctx); err != nil {
		l.m.log.Debug("robust caching not announced", "address", l.peer, "error", err)
	}
	return l.enableServiceChanged(ctx)
}

func (l *link) enableServiceChanged(ctx context.Context) error {
	err := l.conn.GATT().EnableServiceChanged(ctx)
	if err != nil {
		l.m.log.Debug("service changed not enabled", "address", l.peer, "error", err)
		return err
	}
	l.markSubscribed()
	return nil
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
