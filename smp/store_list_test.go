package smp_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

func TestFileStores(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[bonds]")
	if all, err := smp.FileStores(dir); err != nil || len(all) != 0 {
		t.Errorf("of a directory that is not there: %v, %v", all, err)
	}
	other := smp.Local{Addr: hci.Addr{MAC: hci.MAC{9}}, Binding: "port 2"}
	for _, l := range []smp.Local{local, other} {
		s, err := smp.OpenFileStore(dir, l)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Save(sampleBond(peerA)); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
	}
	all, err := smp.FileStores(dir)
	if err != nil || len(all) != 2 || all[0].Identity().Addr != other.Addr || all[1].Identity().Addr != local.Addr {
		t.Fatalf("%v, %v", all, err)
	}
	if err := all[1].Remove(peerA); err != nil {
		t.Fatal(err)
	}
	if n := len(openFiles(t, dir).All()); n != 0 {
		t.Errorf("%d bonds are left of one that was removed", n)
	}
	if b, ok := all[0].Find(peerA); !ok {
		t.Error("the other adapter's bond is gone too")
	} else {
		same(t, b, sampleBond(peerA))
	}
	closeStore(t, all[0])
	if err := os.WriteFile(filepath.Join(all[0].Dir(), "identity.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := smp.FileStores(dir); !errors.Is(err, smp.ErrIdentityDamaged) || !strings.Contains(err.Error(), "version 0") {
		t.Errorf("with a damaged identity: %v", err)
	}
}

// A directory that cannot be read is an error.
func TestFileStoresUnreadable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bonds")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := smp.FileStores(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("of a file: %v, %v", all, err)
	}
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := filepath.Join(t.TempDir(), "bonds")
	s, err := smp.OpenFileStore(dir, local)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, s.Dir()} {
		if err := os.Chmod(path, 0o300); err != nil {
			t.Fatal(err)
		}
		if all, err := smp.FileStores(dir); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("without leave to read %s: %v, %v", path, all, err)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}
