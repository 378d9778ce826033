package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// tag writes the out-of-band data of a device to a file.
func tag(t *testing.T, ads []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tag")
	if err := os.WriteFile(name, fmt.Appendf(nil, "% x\n", ads), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPairOutOfBand(t *testing.T) {
	inAir(t, "secure connections", func(t *testing.T) {
		local, err := smp.NewLocalOOB(nil)
		if err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, t.TempDir(), &smp.Config{OOB: &smp.OOB{Local: local}})
		wrong := local.Data()
		wrong.Confirm[0] ^= 1
		r := h.moor(nil, "pair", lock, "--mitm", "--oob", tag(t, wrong.AppendAD(nil)))
		if r.code != exitPairing || r.stdout != "" || !strings.Contains(r.stderr, "confirm value failed") {
			t.Errorf("another device's tag: exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		time.Sleep(time.Minute) // the device wants a pause after a failure
		h.moor(nil, "pair", lock, "--mitm", "--oob", tag(t, local.Data().AppendAD(nil))).want(t, 0,
			lock+" paired by Out of Band: LE Secure Connections, authenticated, key of 16 octets\n", "")
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
	})
	inAir(t, "legacy", func(t *testing.T) {
		tk := [16]byte{1, 2, 3}
		file := tag(t, hci.AppendAD(nil, 0x10, tk[:]))
		h := newHouse(t, t.TempDir(), &smp.Config{AllowLegacy: true, DisableSecureConnections: true, OOB: &smp.OOB{TK: &tk}})
		if r := h.moor(nil, "pair", lock, "--oob", file); r.code != 2 || !strings.Contains(r.stderr, "for legacy pairing only: add --legacy") {
			t.Errorf("without --legacy: exit code %d, stderr %q", r.code, r.stderr)
		}
		h.moor(nil, "pair", lock, "--legacy", "--oob", file).want(t, 0,
			lock+" paired by Out of Band: legacy pairing, authenticated, key of 16 octets\n", "")
	})
	inAir(t, "given up", func(t *testing.T) { // by a man in the middle
		file := tag(t, hci.AppendAD(nil, 0x10, make([]byte, 16)))
		h := newHouse(t, t.TempDir(), &smp.Config{AllowLegacy: true, DisableSecureConnections: true})
		r := h.moor(nil, "pair", lock, "--legacy", "--oob", file)
		if said := strings.Join(strings.Fields(r.stderr), " "); r.code != exitPairing || r.stdout != "" || !strings.Contains(said, "out-of-band data") {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		h.moor(nil, "bonds").want(t, 0, "", "")
	})
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct{ file, flag, want string }{
		{none, "--mitm", none + ": no such file"},
		{tag(t, nil), "--mitm", "no AD structure 0x10"},
		{tag(t, []byte{2, 0x10, 0}), "--mitm", "has 1 octets, want 16"},
		{tag(t, hci.AppendAD(nil, 0x10, make([]byte, 16))), "--just-works", "give one of them"},
	} {
		r := moor(t.Context(), "--state", t.TempDir(), "pair", lock, tt.flag, "--oob", tt.file)
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want 2 and %q", tt.file, r.code, r.stdout, r.stderr, tt.want)
		}
	}
}

// TestPrivacy has each command come under another address, and the device know
// whom it bonded with all the same.
func TestPrivacy(t *testing.T) {
	inAir(t, "bonded", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{})
		h.moor(nil, "--privacy", "pair", lock).want(t, 0,
			lock+" paired by Just Works: LE Secure Connections, not protected against a man in the middle, key of 16 octets\n", "")
		b, ok := h.device.Host().SMP().Find(h.adapters[0].Address())
		if !ok || b.IRK.IsZero() {
			t.Fatalf("the device's bond %v, %v", b, ok)
		}
		seen := map[hci.Addr]bool{}
		for range 3 {
			type info struct {
				Own       hci.Addr `json:"own_address"`
				Encrypted bool
			}
			got := objects[info](t, h.moor(nil, "--privacy", "info", lock, "--json"))
			if len(got) != 1 || !got[0].Encrypted || !smp.Resolves(b.IRK, got[0].Own) || seen[got[0].Own] {
				t.Fatalf("%+v, want a new address that the device can resolve; known: %v", got, seen)
			}
			seen[got[0].Own] = true
		}
	})
}

// TestPrivacyLater has a bond from before private addresses: the device takes
// this host for a stranger under one, which is not the device's fault.
func TestPrivacyLater(t *testing.T) {
	inAir(t, "bond in the open", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{})
		paired := lock + " paired by Just Works: LE Secure Connections, not protected against a man in the middle, key of 16 octets\n"
		h.moor(nil, "pair", lock).want(t, 0, paired, "")
		for _, args := range [][]string{{"read", lock, "2a19"}, {"read", lock, "2a19", "--pair"}, {"pair", lock}} {
			r := h.moor(nil, append([]string{"--privacy"}, args...)...)
			said := strings.Join(strings.Fields(r.stderr), " ")
			if r.code != exitBondLost || r.stdout != "" || strings.Contains(said, "has lost the bond") {
				t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
			}
			for _, want := range []string{"the peer was not given the key to this host's private addresses", "moor pair ADDR --privacy --replace", "leave --privacy out"} {
				if !strings.Contains(said, want) {
					t.Errorf("%v: %q is not in %q", args, want, said)
				}
			}
		}
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
		h.forget() // it would keep the bond that it has
		h.moor(nil, "--privacy", "pair", lock, "--replace").want(t, 0, paired, "")
		h.moor(nil, "--privacy", "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
	})
}
