//go:build unix

package connmgr_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/filetest"
	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/sim"
)

// writeTraits writes traits of n devices to a state directory.
func writeTraits(t *testing.T, dir string, n int) (devices []hci.Addr) {
	t.Helper()
	var all []connmgr.DeviceTraits
	for i := range n {
		a := hci.Addr{MAC: hci.MAC{byte(i), 1, 2, 3, 4, 0xC5}, Kind: hci.AddrRandom}
		devices = append(devices, a)
		all = append(all, connmgr.DeviceTraits{Address: a})
	}
	b, err := json.Marshal(map[string]any{"version": 1, "devices": all})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "traits.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return devices
}

// TestStateFollowsNothing puts links and other entries in the places of the files of a
// state directory.
func TestStateFollowsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	writeTraits(t, dir, 1)
	devices := filepath.Join(dir, "devices.json")
	if err := os.WriteFile(devices, []byte(`{"version":1,"devices":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	filetest.Stand(t, devices, func(t *testing.T, kind string) {
		if d, err := connmgr.KeptDevices(dir); !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s: got %v, %v", kind, d, err)
		}
	})
	filetest.Stand(t, filepath.Join(dir, "traits.json"), func(t *testing.T, kind string) {
		if d, err := connmgr.KeptTraits(dir); !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s: got %v, %v", kind, d, err)
		}
		if _, err := connmgr.ClearTraits(dir, ""); !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s: cleared: %v", kind, err)
		}
	})
	if _, err := connmgr.ClearTraits(dir, "none"); err == nil {
		t.Error("an address of no device was accepted")
	}
	filetest.Stand(t, filepath.Join(dir, "lock"), func(t *testing.T, kind string) {
		if _, err := connmgr.ClearTraits(dir, ""); !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s as lock: cleared: %v", kind, err)
		}
	})
}

func TestStaticAddressFollowsNothing(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	ctl := air.NewController(nil)
	kind := connmgr.Kind{Open: func(context.Context, string) (hci.Transport, error) { return ctl.Plug(), nil }}
	dir := filepath.Join(t.TempDir(), "state")
	file := filepath.Join(dir, "address")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("C5:04:03:02:01:00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	filetest.Stand(t, file, func(t *testing.T, entry string) {
		m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"a"}, StateDir: dir, Kinds: []connmgr.Kind{kind}})
		if err == nil {
			m.Close()
		}
		if _, ok := errors.AsType[*connmgr.StateError](err); !ok || !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s: got %v", entry, err)
		}
	})
}

func TestStateDirectories(t *testing.T) {
	for _, name := range []string{"bonds", "tables"} {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		filetest.LinkDir(t, filepath.Join(dir, name))
		_, bonds := connmgr.OpenBonds(dir)
		_, cache := connmgr.OpenCache(dir, nil)
		if errors.Is(bonds, ownfile.ErrUntrusted) != (name == "bonds") || errors.Is(cache, ownfile.ErrUntrusted) != (name == "tables") {
			t.Errorf("%s is a link: %v, %v", name, bonds, cache)
		}
	}
	dir := t.TempDir()
	filetest.GiveAway(t, dir)
	if _, err := connmgr.OpenCache(dir, nil); !errors.Is(err, ownfile.ErrUntrusted) {
		t.Errorf("the directory of another user: %v", err)
	}
}

// TestTraitsOfTwoProcesses removes traits at the same time. A change that another one
// does not see would bring traits back.
func TestTraitsOfTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		var wg sync.WaitGroup
		for _, d := range writeTraits(t, dir, 20) {
			wg.Go(func() {
				if had, err := connmgr.ClearTraits(dir, d.String()); err != nil || !had {
					t.Errorf("%v: %v, %v", d, had, err)
				}
			})
		}
		wg.Wait()
		if left, err := connmgr.KeptTraits(dir); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

func TestStateOnFullDisk(t *testing.T) {
	disk := filetest.SmallDisk(t)
	dir := filepath.Join(disk, "state")
	devices := writeTraits(t, dir, 2)
	free := filetest.Fill(t, disk)
	_, err := connmgr.ClearTraits(dir, devices[0].String())
	if _, ok := errors.AsType[*connmgr.StateError](err); !ok || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want a full disk", err)
	}
	if left, err := connmgr.KeptTraits(dir); err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v; want both", left, err)
	}
	free()
	if _, err := connmgr.ClearTraits(dir, devices[0].String()); err != nil {
		t.Error(err)
	}
}
