package smp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

var (
	local = smp.Local{Addr: hci.Addr{MAC: hci.MAC{1, 0, 0, 0xEE, 0xFF, 0xC0}}, Binding: "port 1"}
	peerA = hci.Addr{MAC: hci.MAC{0xA, 0, 0, 0, 0, 0xC0}, Kind: hci.AddrRandom}
	peerB = hci.Addr{MAC: hci.MAC{0xB, 0, 0, 0, 0, 0}}
)

func sampleBond(peer hci.Addr) *smp.Bond {
	return &smp.Bond{
		Peer: peer, Created: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC), Authenticated: true, KeySize: 16,
		Central: &smp.LongTermKey{Key: smp.Key{0x11, 15: 0x1F}, EDIV: 0xABCD, Rand: [8]byte{1, 2}}, Peripheral: &smp.LongTermKey{Key: smp.Key{0x22}},
		IRK: smp.Key{0x33}, GaveIRK: true, PeerCSRK: smp.Key{0x44}, PeerCounter: 7, LocalCSRK: smp.Key{0x55}, LocalCounter: 8,
	}
}

// same compares bonds with their keys, which all format to the same text.
func same(t *testing.T, got, want *smp.Bond) {
	t.Helper()
	raw := cmp.Transformer("octets", func(k smp.Key) [16]byte { return k })
	if d := cmp.Diff(want, got, raw); d != "" {
		t.Errorf("bond differs: %s", d)
	}
}

func openFiles(t *testing.T, dir string) *smp.FileStore {
	t.Helper()
	s, err := smp.OpenFileStore(dir, local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closeStore closes a store, which another one may then open.
func closeStore(t *testing.T, s *smp.FileStore) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// reopen closes a store and opens it again.
func reopen(t *testing.T, s *smp.FileStore) *smp.FileStore {
	t.Helper()
	closeStore(t, s)
	return openFiles(t, filepath.Dir(s.Dir()))
}

func TestFileStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made [by] the store")
	s := openFiles(t, dir)
	for _, b := range []*smp.Bond{sampleBond(peerB), sampleBond(peerA)} {
		if err := s.Save(b); err != nil {
			t.Fatal(err)
		}
	}
	again := reopen(t, s)
	if again.Identity() != s.Identity() || s.Identity().IRK.IsZero() || s.Identity().Addr != local.Addr {
		t.Errorf("identity %v became %v", s.Identity(), again.Identity())
	}
	all := again.All()
	if len(all) != 2 || len(again.Damaged()) != 0 {
		t.Fatalf("%d bonds, damaged: %v", len(all), again.Damaged())
	}
	same(t, all[0], sampleBond(peerB))
	same(t, all[1], sampleBond(peerA))
	resolved := hci.Addr{MAC: peerA.MAC, Kind: hci.AddrRandomIdentity}
	if b, ok := again.Find(resolved); !ok || b.Peer != peerA {
		t.Errorf("not found as %v", resolved)
	}
	if _, ok := again.Find(hci.Addr{MAC: peerA.MAC}); ok {
		t.Error("a public address with the same digits is another device")
	}
	for range 2 { // removing what is not there is no error
		if err := again.Remove(resolved); err != nil {
			t.Error(err)
		}
	}
	if _, ok := again.Find(peerA); ok || len(reopen(t, again).All()) != 1 {
		t.Error("the bond is still there")
	}
}

func TestFileModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	s := openFiles(t, t.TempDir())
	if err := s.Save(sampleBond(peerA)); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		modes := map[string]os.FileMode{s.Dir(): 0o700}
		files, err := os.ReadDir(s.Dir())
		if err != nil || len(files) != 3 { // with the lock
			t.Fatalf("%v, %v", files, err)
		}
		for _, f := range files {
			modes[filepath.Join(s.Dir(), f.Name())] = 0o600
		}
		for path, want := range modes {
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
				t.Errorf("%s: %v, %v, want %v", filepath.Base(path), st.Mode().Perm(), err, want)
			}
		}
	}
	check()
	for _, path := range []string{s.Dir(), filepath.Join(s.Dir(), "C0000000000A-random.json")} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	reopen(t, s)
	check()
}

func TestBondsAreBoundToTheController(t *testing.T) {
	dir := t.TempDir()
	own := openFiles(t, dir)
	if err := own.Save(sampleBond(peerA)); err != nil {
		t.Fatal(err)
	}
	closeStore(t, own)
	elsewhere := local
	elsewhere.Binding = "port 2"
	if _, err := smp.OpenFileStore(dir, elsewhere); !errors.Is(err, smp.ErrOtherController) || !strings.Contains(err.Error(), "port 2") {
		t.Errorf("same address, another controller: %v", err)
	}
	other := smp.Local{Addr: peerB, Binding: local.Binding}
	s, err := smp.OpenFileStore(dir, other)
	if err != nil || len(s.All()) != 0 {
		t.Errorf("another address: %v, %v", s.All(), err)
	}
	// A file that was copied from another identity is refused.
	b, err := os.ReadFile(filepath.Join(own.Dir(), "C0000000000A-random.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "C0000000000A-random.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if s, err = smp.OpenFileStore(dir, other); err != nil || len(s.All()) != 0 || len(s.Damaged()) != 1 {
		t.Errorf("a copied file: %v, %v, %v", s.All(), s.Damaged(), err)
	}
}

func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	s := openFiles(t, dir)
	if err := s.Save(sampleBond(peerA)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Dir(), "C0000000000A-random.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"version": 1`, `"version": 2`}, {`"key_size": 16`, `"key_size": 17`}, {`"key_size": 16`, `"key_size": 6`},
		{`"rand": "0102000000000000"`, `"rand": "01020000000000000000000000000000000000"`},
		{`"rand": "0102000000000000"`, `"rand": "01"`}, {`"irk": "`, `"irk": "00`}, {`C0:00:00:00:00:0A/random`, `C0:00:00:00:00:0C/random`},
		{`"ltk": "00000000000000000000000000000022"`, `"ltk": "00000000000000000000000000000000"`}, {"{", ""}, {string(good), ""},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Fatalf("%q is not in the file:\n%s", change[0], good)
		}
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s)
		if len(s.All()) != 0 || len(s.Damaged()) != 1 || !strings.Contains(s.Damaged()[0].Error(), path) {
			t.Errorf("%q: bonds %v, damaged %v", change[1], s.All(), s.Damaged())
		}
		b, ok := s.Find(peerA)
		if !ok || !errors.Is(b.Damaged, smp.ErrBondDamaged) || !strings.Contains(b.Damaged.Error(), path) || b.Central != nil || b.Peripheral != nil {
			t.Errorf("%q: found %+v", change[1], b)
		}
	}
	foreign := []string{"notes.json", "C0-random.json", "C0000000000A-0x05.json", "c0000000000b-random.json"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(s.Dir(), name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = reopen(t, s)
	if _, ok := s.Find(hci.Addr{MAC: hci.MAC{0xB, 5: 0xC0}, Kind: hci.AddrRandom}); ok || len(s.Damaged()) != 5 {
		t.Errorf("a file with a name that is none of ours stands for a bond; damaged %v", s.Damaged())
	}
	if err := s.Remove(peerA); err != nil {
		t.Error(err)
	}
	if _, ok := s.Find(peerA); ok {
		t.Error("the damaged bond was not removed")
	}
	for _, name := range foreign {
		if err := os.Remove(filepath.Join(s.Dir(), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	if err := s.Save(sampleBond(peerA)); err != nil {
		t.Fatal(err)
	}
	if s = reopen(t, s); len(s.All()) != 1 || len(s.Damaged()) != 0 {
		t.Errorf("a new bond did not replace the damaged one: %v", s.Damaged())
	}
	identity := filepath.Join(s.Dir(), "identity.json")
	if err := os.WriteFile(identity, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if _, err := smp.OpenFileStore(dir, local); err == nil || !strings.Contains(err.Error(), identity) {
		t.Errorf("damaged identity: %v", err)
	}
}

func TestSaveThatFails(t *testing.T) {
	s := openFiles(t, t.TempDir())
	if err := os.RemoveAll(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(sampleBond(peerA)); err == nil {
		t.Error("saved in a directory that is gone")
	}
	if _, ok := s.Find(peerA); ok {
		t.Error("a bond that was not saved is used")
	}
}

func TestExportAndImport(t *testing.T) {
	dir := t.TempDir()
	s := openFiles(t, dir)
	for _, p := range []hci.Addr{peerA, peerB} {
		if err := s.Save(sampleBond(p)); err != nil {
			t.Fatal(err)
		}
	}
	var all, named bytes.Buffer
	if err := errors.Join(smp.Export(&all, s), smp.Export(&named, s, peerB)); err != nil {
		t.Fatal(err)
	}
	backup := all.String()
	if !strings.Contains(named.String(), peerB.String()) || strings.Contains(named.String(), peerA.String()) {
		t.Errorf("exported by name: %s", named.String())
	}
	if !strings.Contains(backup, "1f000000000000000000000000000011") {
		t.Errorf("no key in the export, or not most significant first: %s", backup)
	}
	for _, p := range []hci.Addr{peerA, peerB} {
		if err := s.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := smp.Import(strings.NewReader(backup), s); err != nil || n != 2 {
		t.Errorf("imported %d, %v", n, err)
	}
	got, _ := reopen(t, s).Find(peerA)
	same(t, got, sampleBond(peerA))
	other, err := smp.Memory()(smp.Local{Addr: peerB})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{backup, "[null]", "{", ""} {
		if n, err := smp.Import(strings.NewReader(in), other); err == nil || n != 0 || len(other.All()) != 0 {
			t.Errorf("imported %d of %.20q for another identity: %v", n, in, err)
		}
	}
}

// TestKeysDoNotShow formats a bond in every way.
func TestKeysDoNotShow(t *testing.T) {
	b := sampleBond(peerA)
	b.Central.Key = smp.Key{0xDE, 0xAD, 0xBE, 0xEF, 15: 0x77}
	var text string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%d", "%q"} {
		text += fmt.Sprintf(verb, b) + fmt.Sprintf(verb, *b.Central)
	}
	j, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ToLower(text + string(j) + b.Central.Key.LogValue().String())
	for _, secret := range []string{"deadbeef", "222 173", "de, ad", "0xde", "adde"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
	if !strings.Contains(text, "(secret)") {
		t.Error("nothing was printed")
	}
}
