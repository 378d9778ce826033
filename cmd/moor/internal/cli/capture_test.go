package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// TestNoExtended looks for the extended commands in a capture, with and without the
// flag that disables them.
func TestNoExtended(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want bool
	}{{"extended", nil, true}, {"legacy", []string{"--no-extended"}, false}} {
		file := filepath.Join(t.TempDir(), "capture")
		inAir(t, c.name, func(t *testing.T) {
			moor(t.Context(), append(c.args, "-a", "sim:", "--snoop", file, "read", belt, "2a38")...).want(t, 0, "01  chest\n", "")
		})
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for r, err := range hci.ReadSnoop(bytes.NewReader(b)) {
			if err != nil {
				t.Fatal(err)
			}
			if p, err := hci.ParseCommand(r.Packet[1:]); r.Sent && r.Packet[0] == byte(hci.PacketCommand) && err == nil {
				got = got || p.Opcode() == hci.OpLEExtendedCreateConnection
			}
		}
		if got != c.want {
			t.Errorf("%s: extended commands used: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSnoop(t *testing.T) {
	file := filepath.Join(t.TempDir(), "capture")
	inAir(t, "capture", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--snoop", file, "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
	b, err := os.ReadFile(file)
	if err != nil || len(b) < 1000 || string(b[:8]) != "btsnoop\x00" {
		t.Errorf("%d octets, %v", len(b), err)
	}
	r := moor(t.Context(), "-a", "sim:", "--snoop", "/does/not/exist", "scan")
	r.want(t, 1, "", "moor: capture: open /does/not/exist: no such file or directory\n      check the name, and that its directory exists\n")
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	const full, room = "moor: capture: write /dev/full: no space left on device\n", "      make room on the disk, or name a file elsewhere\n"
	inAir(t, "disk full", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--snoop", "/dev/full", "read", belt, "2a38").want(t, 1, "01  chest\n", full+room)
	})
	inAir(t, "disk full, and another error", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--snoop", "/dev/full", "read", belt, "2a6e").want(t, 1, "", full+
			"moor: the device has no characteristic or descriptor 2a6e (Temperature)\n      moor services shows what it has\n")
	})
	inAir(t, "disk full in the demo", func(t *testing.T) {
		if r := moor(t.Context(), "--snoop", "/dev/full", "demo"); r.code != 1 || r.stderr != full+room {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
}
