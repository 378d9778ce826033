package servicecache

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
)

// Cache is a set of tables, see the package.
type Cache struct {
	cfg   Config
	store store
}

// Open opens the cache in a directory, which it makes with access for its owner
// alone if there is none. With an empty dir the cache is in memory and ends with
// the program. A nil Config has the defaults. There is nothing to close.
func Open(dir string, cfg *Config) (*Cache, error) {
	c := &Cache{}
	if cfg != nil {
		c.cfg = *cfg
	}
	if dir == "" {
		c.store = newMemory()
		return c, nil
	}
	s, err := newFiles(dir, c.cfg.lockTimeout())
	if err != nil {
		return nil, err
	}
	c.store = s
	// Another process that writes just now will do this as well.
	if unlock, ok := s.tryLock(); ok {
		defer unlock()
		if err := c.trimCache(""); err != nil {
			c.cfg.logger().Warn("cache cannot be trimmed", "err", err)
		}
	}
	return c, nil
}

// fileName returns the name of a peer's record.
func fileName(a hci.Addr) string {
	return strings.ToLower(strings.ReplaceAll(a.MAC.String(), ":", "")) + "-" + a.Kind.String()
}

// addrOf is the reverse of fileName.
func addrOf(name string) (hci.Addr, bool) {
	mac, kind, _ := strings.Cut(name, "-")
	if len(mac) != 12 {
		return hci.Addr{}, false
	}
	octets := make([]string, 0, 6)
	for pair := range slices.Chunk([]byte(mac), 2) {
		octets = append(octets, string(pair))
	}
	a, err := hci.ParseAddr(strings.Join(octets, ":") + "/" + kind)
	return a, err == nil && fileName(a) == name
}

// Get returns what is kept for the identity address of a peer. What cannot be
// read is not there.
func (c *Cache) Get(peer hci.Addr) (e *Entry, ok bool) {
	name := fileName(peer.Identity())
	var p peerRecord
	if !c.loadRecord(folderPeers, name, func(b []byte) error { return decode(kindPeer, b, &p) }) {
		return nil, false
	}
	table, ok := c.loadTable(p.Table)
	if !ok {
		return nil, false
	}
	c.store.touchRecord(folderPeers, name, time.Now())
	return p.entry(table), true
}

// GetByHash returns a table that has this Database Hash and that some peer had, so
// that a peer that is new but of the same kind needs no discovery. A table whose
// hash cannot be computed, or is another one than the peer states, is never
// returned: a peer may state any hash. There is none if
// peers were met with different tables of the same hash. Bonded,
// Subscribed, MTU and Firmware are empty, being of one peer only.
func (c *Cache) GetByHash(h Hash) (e *Entry, ok bool) {
	var r hashRecord
	if !c.loadRecord(folderHashes, h.String(), func(b []byte) error { return decode(kindHash, b, &r) }) || r.Table == "" {
		return nil, false
	}
	table, ok := c.loadTable(r.Table)
	if !ok || !h.Proves(table) { // a file may be of another version, or forged
		return nil, false
	}
	return &Entry{Profile: table, Hash: &h, HasServiceChanged: r.HasServiceChanged, Discovered: r.Discovered}, true
}

func (c *Cache) loadTable(name string) (p *gatt.Profile, ok bool) {
	ok = c.loadRecord(folderTables, name, func(b []byte) (err error) {
		p, err = decodeTable(b)
		return err
	})
	return p, ok
}

// load reads a record and sets it aside if it cannot be.
func (c *Cache) loadRecord(folder, name string, read func([]byte) error) bool {
	if name == "" || strings.ContainsAny(name, `/\.`) {
		return false
	}
	b, err := c.store.readRecord(folder, name)
	if err == nil {
		err = read(b)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errVersion):
		return false
	}
	c.cfg.logger().Warn("record cannot be read", "folder", folder, "name", name, "err", err)
	// A writer may have replaced it meanwhile, so it is looked at again when none
	// can. If there is one now, somebody else will find the record.
	unlock, ok := c.store.tryLock()
	if !ok {
		return false
	}
	defer unlock()
	if b, err = c.store.readRecord(folder, name); err == nil {
		if err = read(b); err == nil {
			return true
		}
		if err := c.store.setAside(folder, name, c.cfg.maxBad()); err != nil {
			c.cfg.logger().Warn("record cannot be set aside", "folder", folder, "name", name, "err", err)
		}
	}
	return false
}

// Put keeps an entry for the identity address of a peer in the place of what was
// there. When it returns nil, that is on the disk. It refuses private addresses,
// behind which another device may be tomorrow, and tables whose handles are not
// in order. If there is no room on the disk, what was there stays.
func (c *Cache) Put(peer hci.Addr, e *Entry) error {
	peer = peer.Identity()
	switch {
	case peer.IsResolvable(), peer.IsNonResolvable(), peer.Kind == hci.AddrAnonymous:
		return fmt.Errorf("servicecache: %v is a private address: give the identity address of the device", peer)
	case e == nil || e.Profile == nil:
		return fmt.Errorf("servicecache: no table to keep for %v", peer)
	}
	if err := validateTable(e.Profile); err != nil {
		return err
	}
	table, err := encode(kindTable, e.Profile)
	if err != nil {
		return err
	}
	digest := digest(table)
	record, err := encode(kindPeer, &peerRecord{
		Table: digest, Hash: e.Hash, HasServiceChanged: e.HasServiceChanged, Bonded: e.Bonded,
		Subscribed: e.Subscribed, MTU: e.MTU, Firmware: e.Firmware, Discovered: e.Discovered,
	})
	if err != nil {
		return err
	}
	unlock, err := c.store.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if b, err := c.store.readRecord(folderTables, digest); err != nil || string(b) != string(table) {
		if err := c.store.writeRecord(folderTables, digest, table); err != nil {
			return err
		}
	}
	if err := c.store.writeRecord(folderPeers, fileName(peer), record); err != nil {
		return err
	}
	if e.Hash != nil && e.Hash.Proves(e.Profile) {
		if err := c.putHash(digest, e); err != nil {
			return err
		}
	}
	return c.trimCache(fileName(peer))
}

// putHash lets a hash stand for a table, or for none once there were two.
func (c *Cache) putHash(table string, e *Entry) error {
	want := hashRecord{Table: table, HasServiceChanged: e.HasServiceChanged, Discovered: e.Discovered}
	if b, err := c.store.readRecord(folderHashes, e.Hash.String()); err == nil {
		var old hashRecord
		switch {
		case decode(kindHash, b, &old) != nil: // is written anew
		case old.Table == table, old.Table == "":
			return nil
		default:
			want = hashRecord{}
		}
	}
	b, err := encode(kindHash, &want)
	if err != nil {
		return err
	}
	return c.store.writeRecord(folderHashes, e.Hash.String(), b)
}

// Delete forgets a peer and reports whether there was something to forget. The
// table stays if other peers have it too.
func (c *Cache) Delete(peer hci.Addr) (bool, error) {
	unlock, err := c.store.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	name := fileName(peer.Identity())
	if _, err := c.store.readRecord(folderPeers, name); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err := c.store.removeRecord(folderPeers, name); err != nil {
		return false, err
	}
	return true, c.trimCache("")
}

// Clear forgets everything, and what was set aside too.
func (c *Cache) Clear() error {
	unlock, err := c.store.lock()
	if err != nil {
		return err
	}
	defer unlock()
	// Peers first: what they refer to may be missing, never the reverse.
	for _, folder := range []string{folderPeers, folderHashes, folderTables, folderBad} {
		list, err := c.store.listRecords(folder)
		if err != nil {
			return err
		}
		for _, f := range list {
			if err := c.store.removeRecord(folder, f.name); err != nil {
				return err
			}
		}
	}
	return c.store.removeLeftovers()
}

// Item is a peer in a list.
type Item struct {
	Addr  hci.Addr  `json:"address"`
	Used  time.Time `json:"used"` // to the hour
	Entry *Entry    `json:"entry"`
}

// List returns what is kept, by address. It does not count as use.
func (c *Cache) List() ([]Item, error) {
	list, err := c.store.listRecords(folderPeers)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b info) int { return strings.Compare(a.name, b.name) })
	var items []Item
	for _, f := range list {
		a, ok := addrOf(f.name)
		if !ok {
			continue
		}
		var p peerRecord
		if !c.loadRecord(folderPeers, f.name, func(b []byte) error { return decode(kindPeer, b, &p) }) {
			continue
		}
		if table, ok := c.loadTable(p.Table); ok {
			items = append(items, Item{Addr: a, Used: f.used, Entry: p.entry(table)})
		}
	}
	return items, nil
}
