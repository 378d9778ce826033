package connmgr

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/servicecache"
)

// tables is the name of the directory of attribute tables in a state directory.
const tables = "tables"

// OpenCache opens the attribute tables in a state directory. It is for programs that
// inspect them without a Manager.
func OpenCache(stateDir string, log *slog.Logger) (*servicecache.Cache, error) {
	dir := stateDir
	if dir != "" {
		if err := checkStateDir(stateDir, tables); err != nil {
			return nil, &StateError{Dir: stateDir, Err: err}
		}
		dir = filepath.Join(dir, tables)
	}
	c, err := servicecache.Open(dir, &servicecache.Config{Logger: log})
	if err != nil {
		return nil, &StateError{Dir: stateDir, Err: err}
	}
	return c, nil
}

// Cache returns the cache of attribute tables.
func (m *Manager) Cache() *servicecache.Cache { return m.cache }

// ClearCache removes the attribute table of the device with an address from the cache,
// and forgets its traits and the evidence about it. It reports whether there was a table. Links in use keep theirs.
// It waits for the state directory; see Config.StateDir.
func (m *Manager) ClearCache(address string) bool {
	t, err := parseTarget(address)
	if err != nil {
		return false
	}
	m.forgetTables(t.addr.MAC)
	m.traits.forgetTraits(t)
	m.evidence.forget(t.addr.MAC)
	found := false
	for _, k := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
		if t.known && t.addr.Kind != k {
			continue
		}
		if peer := (hci.Addr{MAC: t.addr.MAC, Kind: k}); m.tables.hasTable(peer) {
			m.tables.putTable(peer, nil)
			found = true
		}
	}
	m.writer.awaitWrites()
	return found
}

// fromCache uses the cached table if it is the present one of the device: by its
// Database Hash if it has one, else as a hint whose attributes are compared before their
// use. It reports whether it does.
func (l *link) fromCache(ctx context.Context) bool {
	from := l.countChanges()
	e, ok := l.m.tables.getTable(l.peer)
	if !ok || len(e.Profile.Services) == 0 || e.Hash != nil && e.Hash.Refutes(e.Profile) {
		return false
	}
	g, peer := l.conn.GATT(), servicecache.Peer{Bonded: l.isBonded()}
	verdict := servicecache.Decide(e, peer)
	if verdict == servicecache.ReadHash {
		hash, err := g.DatabaseHash(ctx)
		if err != nil && !isATT(err) && !errors.Is(err, gatt.ErrNotFound) {
			return false
		}
		peer.HashRead = true
		if err == nil {
			peer.Hash = (*servicecache.Hash)(&hash)
		}
		verdict = servicecache.Decide(e, peer)
	}
	prove := verdict == servicecache.Prove
	if prove {
		peer.ProofRead, peer.Proved = true, g.ProveProfile(ctx, e.Profile) == nil
		verdict = servicecache.Decide(e, peer)
	}
	if verdict != servicecache.Use {
		return false
	}
	if !prove {
		g.SetProfile(e.Profile)
	}
	l.keepEntry(e)
	l.useTable(e.Profile, true, from)
	return true
}

// markSubscribed marks the cached table of a bonded device as guarded: the device
// indicates changes from now on, even those made while it was not connected.
func (l *link) markSubscribed() {
	if l.isBonded() {
		l.markBonded(true)
	}
}

// markBonded stores the table in use as that of a bonded device. A table that was in the
// cache before the bond stays what it is: it may be from another device, which had the
// address then.
func (l *link) markBonded(subscribed bool) {
	l.mu.Lock()
	e := l.entry
	before := l.cached && e != nil && !e.Bonded
	outdated := l.profile == nil || l.tableFrom != l.changes
	l.mu.Unlock()
	if e == nil || before || outdated || e.Bonded && e.Subscribed == subscribed || !l.m.tables.hasTable(l.peer) {
		return
	}
	marked := *e
	marked.Bonded, marked.Subscribed = true, subscribed
	l.replaceTable(e, &marked)
}

// renewBond notes that the link has a new bond. The table that was discovered on it is
// that of the bonded device. Another one is from before the bond: it has to be discovered
// anew, since a device that lost its bond may have new firmware.
func (l *link) renewBond() {
	l.mu.Lock()
	e := l.entry
	discovered := l.profile != nil && !l.cached && l.tableFrom == l.changes
	l.mu.Unlock()
	if discovered {
		l.markBonded(false)
		return
	}
	if e != nil && (e.Bonded || e.Subscribed) && l.m.tables.hasTable(l.peer) {
		before := *e
		before.Bonded, before.Subscribed = false, false
		l.replaceTable(e, &before)
	}
}

// tableName returns the name of the table in use; "" if it is not known.
func (l *link) tableName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return nameTable(l.profile)
}

// nameTable returns the Database Hash of a table, in hex; "" if there is none.
func nameTable(p *gatt.Profile) string {
	if p == nil {
		return ""
	}
	hash, ok := p.Hash()
	if !ok {
		return ""
	}
	return hex.EncodeToString(hash[:])
}
