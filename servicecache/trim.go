package servicecache

import (
	"slices"
	"time"
)

// trim enforces the bounds of the cache, and removes tables that no peer
// refers to and the temporary files of killed writers. The peer keep stays. Must be
// called with the lock held.
func (c *Cache) trim(keep string) error {
	if err := c.store.sweep(); err != nil {
		return err
	}
	peers, err := c.store.listRecords(folderPeers)
	if err != nil {
		return err
	}
	tables, err := c.sizes(folderTables)
	if err != nil {
		return err
	}
	slices.SortFunc(peers, func(a, b info) int { return b.used.Compare(a.used) })
	if i := slices.IndexFunc(peers, func(p info) bool { return p.name == keep }); i > 0 {
		p := peers[i]
		peers = slices.Insert(slices.Delete(peers, i, i+1), 0, p)
	}
	var total int64
	wanted := map[string]bool{} // tables of the peers that stay
	for i, f := range peers {
		var p peerRecord
		if b, err := c.store.readRecord(folderPeers, f.name); err != nil || decode(kindPeer, b, &p) != nil {
			total += f.size // unreadable: Get sets it aside
			continue
		}
		size := f.size
		if !wanted[p.Table] {
			size += tables[p.Table]
		}
		if f.name != keep && (i >= c.cfg.maxEntries() || total+size > c.cfg.maxBytes() || c.tooOld(f.used)) {
			c.cfg.logger().Debug("dropped", "peer", f.name, "used", f.used)
			if err := c.store.removeRecord(folderPeers, f.name); err != nil {
				return err
			}
			continue
		}
		total += size
		wanted[p.Table] = true
	}
	return c.collect(wanted, tables)
}

func (c *Cache) tooOld(used time.Time) bool {
	return c.cfg.maxAge() > 0 && time.Since(used) > c.cfg.maxAge()
}

// collect removes the tables that are not wanted.
func (c *Cache) collect(wanted map[string]bool, tables map[string]int64) error {
	for name := range tables {
		if !wanted[name] {
			if err := c.store.removeRecord(folderTables, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cache) sizes(folder string) (map[string]int64, error) {
	list, err := c.store.listRecords(folder)
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(list))
	for _, f := range list {
		sizes[f.name] = f.size
	}
	return sizes, nil
}
