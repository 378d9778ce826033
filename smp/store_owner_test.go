//go:build unix

package smp_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/filetest"
	"github.com/moor-ble/moor/smp"
)

// TestBondsFollowNothing puts links and other entries in the places of the identity, of a
// bond and of the lock.
func TestBondsFollowNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bonds")
	s := openFiles(t, dir)
	if err := s.Save(sampleBond(peerA)); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	for _, name := range []string{"identity.json", "lock"} {
		filetest.Stand(t, filepath.Join(s.Dir(), name), func(t *testing.T, kind string) {
			if _, err := smp.OpenFileStore(dir, local); err == nil {
				t.Errorf("%s as %s: the store was opened", kind, name)
			} else if errors.Is(err, smp.ErrIdentityDamaged) {
				t.Errorf("%s as %s: %v advises to remove it", kind, name, err)
			}
		})
	}
	filetest.Stand(t, filepath.Join(s.Dir(), "C0000000000A-random.json"), func(t *testing.T, kind string) {
		s := openFiles(t, dir)
		defer closeStore(t, s)
		if b, ok := s.Find(peerA); !ok || !errors.Is(b.Damaged, smp.ErrBondDamaged) || b.Central != nil {
			t.Errorf("%s: found %+v, want a damaged bond", kind, b)
		}
		if err := s.Save(sampleBond(peerA)); (err == nil) != (kind != "directory") {
			t.Errorf("%s: a new bond: %v", kind, err)
		}
	})
}

func TestBondDirectories(t *testing.T) {
	newBonds := func() (dir, own string) {
		dir = filepath.Join(t.TempDir(), "bonds")
		s := openFiles(t, dir)
		closeStore(t, s)
		return dir, s.Dir()
	}
	refused := func(what, dir string) {
		t.Helper()
		if _, err := smp.OpenFileStore(dir, local); err == nil {
			t.Errorf("opened %s", what)
		}
		if _, err := smp.FileStores(dir); err == nil {
			t.Errorf("listed %s", what)
		}
	}
	dir, own := newBonds()
	filetest.LinkDir(t, own)
	refused("a link", dir)
	dir, _ = newBonds()
	filetest.LinkDir(t, dir)
	refused("a link to the directory above", dir)
	dir, own = newBonds()
	filetest.GiveAway(t, own)
	refused("a directory of another user", dir)
}

// TestBondsOnFullDisk keeps the old bond when there is no room for the new one.
func TestBondsOnFullDisk(t *testing.T) {
	disk := filetest.SmallDisk(t)
	dir := filepath.Join(disk, "bonds")
	s := openFiles(t, dir)
	defer func() { closeStore(t, s) }()
	if err := s.Save(sampleBond(peerA)); err != nil {
		t.Fatal(err)
	}
	free := filetest.Fill(t, disk)
	fresh := sampleBond(peerA)
	fresh.LocalCounter++
	if err := s.Save(fresh); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	if err := s.Save(sampleBond(peerB)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	s = reopen(t, s)
	b, _ := s.Find(peerA)
	same(t, b, sampleBond(peerA))
	if n := len(s.All()); n != 1 || len(s.Damaged()) != 0 {
		t.Errorf("%d bonds, damaged %v; want the old one", n, s.Damaged())
	}
	free()
	if err := s.Save(fresh); err != nil {
		t.Error(err)
	}
	other := smp.Local{Addr: hci.Addr{MAC: hci.MAC{9}}}
	free = filetest.Fill(t, disk)
	if _, err := smp.OpenFileStore(dir, other); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a new identity: %v, want ENOSPC", err)
	}
	free()
	again, err := smp.OpenFileStore(dir, other)
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, again)
}

// TestBondsInUse opens the bonds of one identity twice.
func TestBondsInUse(t *testing.T) {
	dir := t.TempDir()
	s := openFiles(t, dir)
	if err := s.Save(sampleBond(peerA)); err != nil {
		t.Fatal(err)
	}
	_, err := smp.OpenFileStore(dir, local)
	used, ok := errors.AsType[*smp.InUseError](err)
	if !ok || !errors.Is(err, smp.ErrInUse) || used.Dir != s.Dir() || runtime.GOOS == "linux" && used.PID != os.Getpid() {
		t.Errorf("opened twice: %v", err)
	}
	other, err := smp.OpenFileStore(dir, smp.Local{Addr: peerB})
	if err != nil {
		t.Fatalf("another identity: %v", err)
	}
	closeStore(t, other)
	listed, err := smp.FileStores(dir)
	if err != nil || len(listed) != 2 || len(listed[1].All()) != 1 {
		t.Fatalf("listed %v, %v", listed, err)
	}
	if err := listed[1].Remove(peerA); !errors.Is(err, smp.ErrInUse) {
		t.Errorf("removed behind the back of the other store: %v", err)
	}
	if _, ok := listed[1].Find(peerA); !ok {
		t.Error("the bond that was not removed is not found")
	}
	closeStore(t, s)
	if err := s.Save(sampleBond(peerB)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("saved in a closed store: %v", err)
	}
	if b, ok := s.Find(peerA); !ok || b.Damaged != nil {
		t.Error("a closed store does not find its bonds")
	}
	if err := listed[1].Remove(peerA); err != nil {
		t.Error(err)
	}
	s = openFiles(t, dir) // the lock of the removal has ended
	if n := len(s.All()); n != 0 {
		t.Errorf("%d bonds, want none", n)
	}
	closeStore(t, s)
	closeStore(t, s) // again
}
