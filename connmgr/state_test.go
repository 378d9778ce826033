package connmgr_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// An error for each damaged file of the state directory names the file and ends with the
// remedy.
func TestStateDirectoryDamaged(t *testing.T) { inBubble(t, testStateDirectoryDamaged) }

func testStateDirectoryDamaged(t *testing.T) {
	for _, c := range []struct{ file, content, remedy string }{
		{"address", "none", "remove the file to have another address"},
		{"bonds/*/identity.json", "{", "put the file back from a backup, or remove it"},
		{"bonds/*/identity.json", `{"version":1,"address":"00:00:00:00:00:01/public","irk":"00112233445566778899aabbccddeeff"}`, "use another state directory"},
	} {
		dir := t.TempDir()
		air := sim.New(nil)
		a := air.NewController(nil)
		open := func() error {
			m, err := connmgr.Open(t.Context(), &connmgr.Config{
				Adapters: []string{"a"}, StateDir: dir,
				Kinds: []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return a.Plug(), nil }}},
			})
			if err == nil {
				err = m.Close()
			}
			return err
		}
		if err := open(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(c.file)))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %v, %v", c.file, files, err)
		}
		if err := os.WriteFile(files[0], []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		err = open()
		e, ok := errors.AsType[*connmgr.StateError](err)
		if !ok || e.Dir != dir || !strings.HasPrefix(e.Remedy, c.remedy) || !strings.HasSuffix(err.Error(), "; "+e.Remedy) {
			t.Errorf("%s: %v", c.file, err)
		}
		air.Close()
	}
}

func TestKeptFilesDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "devices.json"), []byte(`{"version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := connmgr.KeptDevices(dir)
	if e, ok := errors.AsType[*connmgr.StateError](err); !ok || !strings.Contains(e.Remedy, "remove the file") || !strings.Contains(err.Error(), "devices.json: version 9 instead of 1") {
		t.Errorf("devices: %v", err)
	}
	if err := os.WriteFile(connmgr.BondDir(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = connmgr.OpenBonds(dir)
	if e, ok := errors.AsType[*connmgr.StateError](err); !ok || e.Remedy != "" || e.Dir != dir {
		t.Errorf("bonds: %v", err)
	}
	if all, err := connmgr.OpenBonds(filepath.Join(dir, "none")); err != nil || all != nil {
		t.Errorf("of a directory that is not there: %v, %v", all, err)
	}
	file := filepath.Join(t.TempDir(), "00000000000A-public")
	if err := os.MkdirAll(filepath.Join(connmgr.BondDir(file), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(connmgr.BondDir(file), "x", "identity.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = connmgr.OpenBonds(file)
	if e, ok := errors.AsType[*connmgr.StateError](err); !ok || !errors.Is(err, smp.ErrIdentityDamaged) || e.Remedy == "" {
		t.Errorf("a damaged identity: %v", err)
	}
}
