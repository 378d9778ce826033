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
	"github.com/moor-ble/moor/internal/ownfile"
)

// Cache is a set of tables; see the documentation of the package.
type Cache struct {
	cfg   Config
	store store
}

// Open opens the cache in a directory. If the directory does not exist, Open
// creates it, accessible to its owner only. With an empty dir the cache is in
// memory and ends with the program. A nil Config has the defaults.
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
	// If another process holds the lock, it trims the cache when it writes.
	if unlock, ok := s.tryLock(); ok {
		defer unlock()
		if err := c.trim(""); err != nil {
			c.cfg.logger().Warn("cache cannot be trimmed", "err", err)
		}
	}
	return c, nil
}

// Close ends the use of the directory; later calls find nothing and store nothing. A
// Cache that is not closed ends with the program.
func (c *Cache) Close() error { return c.store.closeStore() }

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

// Get returns the entry for the identity address of a peer. An unreadable record
// counts as none.
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
	c.store.noteUse(folderPeers, name, time.Now())
	return p.entry(table), true
}

func (c *Cache) loadTable(name string) (p *gatt.Profile, ok bool) {
	ok = c.loadRecord(folderTables, name, func(b []byte) (err error) {
		p, err = decodeTable(b)
		return err
	})
	return p, ok
}

// loadRecord reads a record. It sets aside a record that is unreadable.
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
	// A writer may have replaced the record meanwhile, so it is read again under the
	// lock. If the lock is taken, a later read sets the record aside.
	unlock, ok := c.store.tryLock()
	if !ok {
		return false
	}
	defer unlock()
	b, err = c.store.readRecord(folder, name)
	useless := errors.Is(err, ownfile.ErrUntrusted)
	if err == nil {
		if read(b) == nil {
			return true
		}
		useless = true
	}
	if useless {
		if err := c.store.setAside(folder, name, c.cfg.maxBad()); err != nil {
			c.cfg.logger().Warn("record cannot be set aside", "folder", folder, "name", name, "err", err)
		}
	}
	return false
}

// Put stores an entry for the identity address of a peer, and replaces an earlier
// one. When it returns nil, the entry is on the disk. Put refuses private addresses,
// which another device may have tomorrow, tables without a service, which only a
// device that is starting shows, tables whose handles are not in order, and tables of
// a peer that is not bonded with a hash that is not computed from them. If it fails,
// the earlier entry stays.
func (c *Cache) Put(peer hci.Addr, e *Entry) error {
	peer = peer.Identity()
	switch {
	case peer.IsResolvable(), peer.IsNonResolvable(), peer.Kind == hci.AddrAnonymous:
		return fmt.Errorf("servicecache: %v is a private address: pass the identity address of the device", peer)
	case e == nil || e.Profile == nil:
		return fmt.Errorf("servicecache: the entry for %v has no table: discover it first", peer)
	case len(e.Profile.Services) == 0:
		return fmt.Errorf("servicecache: the table of %v has no service: discover it again later", peer)
	case e.Hash != nil && !e.Bonded && !e.HashComputed():
		return fmt.Errorf("servicecache: hash %v of %v is not computed from its table: bond with the device to keep it", e.Hash, peer)
	}
	if err := checkHandles(e.Profile); err != nil {
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
	return c.trim(fileName(peer))
}

// Delete removes the entry of a peer and reports whether there was one. The table
// stays if other peers have it too.
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
	return true, c.trim("")
}

// Clear removes all entries, and the unreadable records in the folder "bad".
func (c *Cache) Clear() error {
	unlock, err := c.store.lock()
	if err != nil {
		return err
	}
	defer unlock()
	// Peers go first, so that no record refers to a missing one for long.
	for _, folder := range []string{folderPeers, folderTables, folderBad} {
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
	return c.store.sweep()
}

// Item is a peer in the result of List.
type Item struct {
	Addr  hci.Addr  `json:"address"`
	Used  time.Time `json:"used"` // to the hour
	Entry *Entry    `json:"entry"`
}

// List returns all entries, by address. It does not count as use of them.
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
