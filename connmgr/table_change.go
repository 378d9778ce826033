package connmgr

import (
	"time"

	"github.com/moor-ble/moor/servicecache"
)

// watchChanges has each change of the table that the device indicates noted. A change of a
// bonded device may come before the table is known on this link, so that the cached one tells
// the handle of Service Changed.
func (l *link) watchChanges() {
	g := l.conn.GATT()
	if e, ok := l.m.tables.getTable(l.peer); ok {
		l.keepEntry(e)
		if _, chr := e.Profile.Characteristic(genericAttr, changed); chr != nil {
			g.ExpectServiceChanged(chr.Value)
		}
	}
	g.HandleChanges(l.noteChange)
}

// noteChange marks the table of the link as out of date, and takes from the cached one what
// the bond proves. It is called before the device gets its confirmation: after that, the
// device takes the change for known, and indicates it on no other link. A table with a hash
// can be proved by that later; one without is of no use any more. It must not wait.
func (l *link) noteChange(indicated bool) {
	l.mu.Lock()
	l.changes++
	if indicated {
		l.indicated.count++
		l.indicated.latest = time.Now()
	}
	if l.endDiscovery != nil {
		l.endDiscovery()
	}
	l.cached = false
	e := l.entry
	l.mu.Unlock()
	if e == nil {
		return
	}
	if e.Hash == nil {
		l.storeTable(nil)
		return
	}
	unproved := *e
	unproved.Subscribed = false
	l.storeTable(&unproved)
}

// indicated is the changes that the device has indicated, up to a moment. A refused
// request that shows a change is not among them.
type indicated struct {
	count  int
	latest time.Time
}

func (l *link) lastIndicated() indicated {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.indicated
}

// storeTable puts an entry into the cache; nil removes that of the device.
func (l *link) storeTable(e *servicecache.Entry) {
	l.keepEntry(e)
	l.m.tables.putTable(l.peer, e)
}

// replaceTable puts an entry into the cache unless the one that it is made from has been
// replaced, by a change or a discovery.
func (l *link) replaceTable(old, e *servicecache.Entry) {
	l.mu.Lock()
	same := l.entry == old
	if same {
		l.entry = e
	}
	l.mu.Unlock()
	if !same {
		return
	}
	l.m.tables.putTable(l.peer, e)
	l.mu.Lock()
	now := l.entry
	l.mu.Unlock()
	if now != e { // it may have been put before e
		l.m.tables.putTable(l.peer, now)
	}
}

func (l *link) keepEntry(e *servicecache.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry = e
}

func (l *link) countChanges() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes
}

// isOutdated reports whether the device has indicated a change since the table was taken.
func (l *link) isOutdated() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tableFrom != l.changes
}
