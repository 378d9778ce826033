package smp

import (
	"errors"
	"io"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// TestSharedStore opens the bonds of one identity twice in a process.
func TestSharedStore(t *testing.T) {
	dir := t.TempDir()
	open := Shared(Files(dir))
	local := Local{Addr: hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}}}
	a, err := open(local)
	if err != nil {
		t.Fatal(err)
	}
	b, err := open(local)
	if err != nil {
		t.Fatal(err)
	}
	peer := hci.Addr{MAC: hci.MAC{9}}
	if err := a.Save(&Bond{Peer: peer}); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Find(peer); !ok {
		t.Error("a bond that one user saved is missing for the other")
	}
	for range 2 { // the second call must not count for the other user
		if err := a.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := OpenFileStore(dir, local); !errors.Is(err, ErrInUse) {
		t.Errorf("opened beside a user: %v, want ErrInUse", err)
	}
	if err := b.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
	s, err := OpenFileStore(dir, local)
	if err != nil {
		t.Fatalf("after the last user: %v", err)
	}
	s.Close()
}
