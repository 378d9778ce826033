package connmgr

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
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
// and forgets its traits. It reports whether there was a
// table. Links in use keep theirs.
func (m *Manager) ClearCache(address string) bool {
	t, err := parseTarget(address)
	if err != nil {
		return false
	}
	m.traits.forgetTraits(t)
	found := false
	for _, k := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
		if !t.known || t.addr.Kind == k {
			had, err := m.cache.Delete(hci.Addr{MAC: t.addr.MAC, Kind: k})
			if err != nil {
				m.log.Warn("attribute table not removed from the cache", "address", address, "error", err)
			}
			found = found || had
		}
	}
	return found
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

// storeTable caches an entry. A device with a private address has none: another
// device may use the address later.
func (l *link) storeTable(e *servicecache.Entry) {
	peer := l.peer
	if peer.IsResolvable() || peer.IsNonResolvable() {
		return
	}
	if err := l.m.cache.Put(peer, e); err != nil {
		l.m.log.Warn("attribute table not cached", "address", peer, "error", err)
	}
}

// markSubscribed marks the cached table of a bonded device as guarded: the device
// indicates changes from now on, even those made while it was not connected.
func (l *link) markSubscribed() {
	if !l.isBonded() {
		return
	}
	if e, ok := l.m.cache.Get(l.peer); ok && (!e.Bonded || !e.Subscribed) {
		e.Bonded, e.Subscribed = true, true
		l.storeTable(e)
	}
}

// clearSubscribed marks the cached table as made under another bond. The device may
// have had Service Changed enabled with that bond only, and a device that lost its bond
// may have new firmware: the table has to be proved by its hash.
func (l *link) clearSubscribed() {
	if e, ok := l.m.cache.Get(l.peer); ok && (e.Bonded || e.Subscribed) {
		e.Bonded, e.Subscribed = false, false
		l.storeTable(e)
	}
}

// tableName returns the Database Hash of the table in use, in hex; "" if it is not
// known.
func (l *link) tableName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.profile == nil {
		return ""
	}
	hash, ok := l.profile.Hash()
	if !ok {
		return ""
	}
	return hex.EncodeToString(hash[:])
}
