//go:build unix

package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/filetest"
)

// captureOfPairing pairs with the lamp, and again connects to it, and returns the keys in
// the captured commands that encrypt.
func captureOfPairing(t *testing.T, file string, args ...string) (keys [][16]byte) {
	t.Helper()
	args = append([]string{"-a", "sim:", "--state", t.TempDir(), "--snoop", file}, args...)
	inAir(t, "pair", func(t *testing.T) {
		if r := moor(t.Context(), append(args, "pair", lamp, "--just-works")...); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for rec, err := range hci.ReadSnoop(f) {
		if err != nil {
			t.Fatal(err)
		}
		if len(rec.Packet) == 0 || hci.PacketType(rec.Packet[0]) != hci.PacketCommand {
			continue
		}
		if p, err := hci.ParseCommand(rec.Packet[1:]); err == nil {
			if p, ok := p.(hci.LEEnableEncryption); ok {
				keys = append(keys, p.Key)
			}
		}
	}
	if len(keys) == 0 {
		t.Fatal("the capture has no LE Enable Encryption: this tests nothing")
	}
	return keys
}

func TestCaptureIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "capture")
	for _, before := range []os.FileMode{0, 0o644} {
		if before != 0 {
			if err := os.Chmod(file, before); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range captureOfPairing(t, file) {
			if key != [16]byte{} {
				t.Error("the capture has a key")
			}
		}
		filetest.WantMode(t, file, 0o600)
	}
	for _, key := range captureOfPairing(t, file, "--snoop-keys") {
		if key == [16]byte{} {
			t.Error("--snoop-keys: the capture has no key")
		}
	}
	moor(t.Context(), "-a", "sim:", "--snoop-keys", "scan").want(t, 2, "", "moor: --snoop-keys needs a capture: add --snoop FILE\n      see moor scan --help\n")
}

// TestOutputFollowsNothing puts links and other entries in the places of a capture and of
// an export of bonds.
func TestOutputFollowsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	filetest.Stand(t, file, func(t *testing.T, kind string) {
		r := moor(t.Context(), "-a", "sim:", "--state", state, "bonds", "export", "--file", file)
		replaced := kind == "hard link" || kind == "file of another user" // a new file takes its name
		if r.code == 0 != replaced {
			t.Errorf("%s: export: exit code %d, %q", kind, r.code, r.stderr)
		}
		if replaced {
			filetest.WantMode(t, file, 0o600)
		}
	})
	if err := os.WriteFile(file, []byte("btsnoop\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	filetest.Stand(t, file, func(t *testing.T, kind string) {
		if kind == "named pipe" {
			return // a capture waits for its reader
		}
		if r := moor(t.Context(), "-a", "sim:", "--snoop", file, "scan"); r.code != 1 || !strings.Contains(r.stderr, "not a file of this user alone") {
			t.Errorf("%s: capture: exit code %d, %q", kind, r.code, r.stderr)
		}
	})
}

// The state directory of another user is not used: neither that of --state nor the
// default one.
func TestStateOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	filetest.GiveAway(t, dir)
	inAir(t, "named", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--state", dir, "read", thermometer, "2a19")
		if r.code != 1 || !strings.Contains(r.stderr, "it belongs to the user") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	files, err := os.ReadDir(dir)
	if err := errors.Join(err, os.Chown(dir, 0, 0)); err != nil || len(files) != 0 {
		t.Errorf("the directory has %v, %v", files, err)
	}
}
