//go:build unix

package servicecache_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/moor-ble/moor/internal/filetest"
	"github.com/moor-ble/moor/servicecache"
)

// TestCacheFollowsNothing puts links and other entries in the places of the records and
// of the lock. A record that is not a file of this user counts as unreadable.
func TestCacheFollowsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, dir, nil)
	put(t, c, writerAddr(1), entry(1))
	for _, folder := range []string{"peers", "tables"} {
		record := filepath.Join(dir, folder, files(t, dir, folder)[0])
		filetest.Stand(t, record, func(t *testing.T, kind string) {
			if e, ok := c.Get(writerAddr(1)); ok {
				t.Errorf("%s in %s: got %+v", kind, folder, e)
			}
			if err := c.Put(writerAddr(1), entry(1)); err != nil {
				t.Errorf("%s in %s: %v", kind, folder, err)
			}
			wantEntry(t, c, writerAddr(1), entry(1))
		})
	}
	filetest.Stand(t, filepath.Join(dir, "lock"), func(t *testing.T, kind string) {
		if err := c.Put(writerAddr(2), entry(2)); err == nil {
			t.Errorf("%s as lock: an entry was stored", kind)
		}
	})
}

func TestCacheDirectories(t *testing.T) {
	for _, name := range []string{".", "peers", "tables", "bad"} {
		dir := filepath.Join(t.TempDir(), "cache")
		open(t, dir, nil)
		filetest.WantMode(t, filepath.Join(dir, name), fs.ModeDir|0o700)
		filetest.LinkDir(t, filepath.Join(dir, name))
		if _, err := servicecache.Open(dir, nil); err == nil {
			t.Errorf("%s may be a link", name)
		}
	}
	dir := filepath.Join(t.TempDir(), "cache")
	open(t, dir, nil)
	filetest.GiveAway(t, filepath.Join(dir, "peers"))
	if _, err := servicecache.Open(dir, nil); err == nil {
		t.Error("a folder may belong to another user")
	}
}

// TestDiskOfNoSpace fills a real file system.
func TestDiskOfNoSpace(t *testing.T) {
	dir := filepath.Join(filetest.SmallDisk(t), "cache")
	c := open(t, dir, nil)
	put(t, c, writerAddr(0), entry(1))
	free := filetest.Fill(t, filepath.Dir(dir))
	if err := c.Put(writerAddr(0), entry(2)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	wantEntry(t, c, writerAddr(0), entry(1))
	free()
	put(t, c, writerAddr(0), entry(2))
	wantEntry(t, c, writerAddr(0), entry(2))
}
