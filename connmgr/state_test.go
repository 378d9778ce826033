package connmgr_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// An error for each damaged file of the state directory names the file and ends with the
// remedy.
func TestStateDirectoryDamaged(t *testing.T) { inBubble(t, testStateDirectoryDamaged) }

func testStateDirectoryDamaged(t *testing.T) {
	for _, c := range []struct{ file, content, remedy string }{
		{"bonds/*/identity.json", "{", "put FILE back from a backup, or remove it"},
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
		if !ok || e.Dir != dir || !strings.HasPrefix(e.Remedy, strings.ReplaceAll(c.remedy, "FILE", files[0])) || !strings.HasSuffix(err.Error(), "; "+e.Remedy) {
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
	if e, ok := errors.AsType[*connmgr.StateError](err); !ok || !strings.Contains(e.Remedy, "remove "+filepath.Join(dir, "devices.json")+":") || !strings.Contains(err.Error(), "devices.json: version 9 instead of 1") {
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

// A loss of power has cut the files of the state directory short. The device is connected
// all the same, and the files are whole again after that.
func TestStateFilesCutShort(t *testing.T) { inBubble(t, testStateFilesCutShort) }

func testStateFilesCutShort(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, connmgr.Config{StateDir: dir})
	l.picky(uart(), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp})
	l.wantConnect(2, 0, second).Close()
	l.m.Close()
	cut := 0
	for _, name := range filesIn(t, dir) {
		file := filepath.Join(dir, name)
		fi, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "tables") || strings.HasSuffix(name, "s.json") {
			if err := os.Truncate(file, fi.Size()/2); err != nil {
				t.Fatal(err)
			}
			cut++
		}
	}
	if cut != 5 { // devices, traits, and of tables a peer, a table and the lock
		t.Fatalf("%d files cut", cut)
	}
	for _, links := range []int{2, 1} {
		l = newLab(t, connmgr.Config{StateDir: dir, DisableScan: true})
		l.picky(uart(), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp})
		c := l.wantConnect(links, 0, second)
		if c.Cached() != (links == 1) {
			t.Errorf("cached %v on link %d", c.Cached(), links)
		}
		c.Close()
		l.wantTraits("mtu 1")
		l.m.Close()
		if kept, err := connmgr.KeptTraits(dir); err != nil || len(kept) != 1 {
			t.Errorf("traits %v, %v", kept, err)
		}
		if _, err := connmgr.KeptDevices(dir); err != nil {
			t.Errorf("devices: %v", err)
		}
	}
}

// TestRepairState: damaged files that can be made anew are set aside, those of another
// version and those of keys stay.
func TestRepairState(t *testing.T) { inBubble(t, testRepairState) }

func testRepairState(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	write := func(name, content string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(at(name)), 0o700), os.WriteFile(at(name), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(aside ...string) {
		t.Helper()
		var got []string
		for _, e := range connmgr.RepairState(dir) {
			if e.Dir != dir || e.Remedy == "" {
				t.Errorf("%v", e)
			}
			got = append(got, filepath.Base(e.Aside))
		}
		if !slices.Equal(got, aside) {
			t.Errorf("set aside %q, want %q", got, aside)
		}
	}
	want()
	write("devices.json", "[]")
	write("traits.json", `{"version":1,"devices":[{"address":"nowhere"}]}`)
	write("params.json", `{"version":1,"devi`)
	write("address", "C0:FF")
	want("devices.json.damaged", "traits.json.damaged", "params.json.damaged", "address.damaged")
	want()
	if b, err := os.ReadFile(at("devices.json.damaged")); err != nil || string(b) != "[]" {
		t.Errorf("devices: %q, %v", b, err)
	}
	write("devices.json", `{"version":9,"devices":7}`) // of a later version
	want()
	write("devices.json", "{")
	write("address", "C0:FF")
	write("bonds/C5FFEE000001-random/identity.json", "{}")
	want("devices.json.damaged", ".", ".") // the address is that of bonds
	for _, name := range []string{"address", "bonds/C5FFEE000001-random/identity.json"} {
		if _, err := os.Stat(at(name)); err != nil {
			t.Error(err)
		}
	}
	air := sim.New(nil)
	defer air.Close()
	_, err := connmgr.Open(t.Context(), &connmgr.Config{
		Adapters: []string{"a"}, StateDir: dir,
		Kinds: []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return air.NewController(nil).Plug(), nil }}},
	})
	if e, ok := errors.AsType[*connmgr.StateError](err); !ok || !strings.HasPrefix(e.Remedy, "put "+at("address")+" back from a backup, or remove it: ") {
		t.Errorf("an address with bonds: %v", err)
	}
}
