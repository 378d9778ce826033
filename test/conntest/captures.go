//go:build kernel || peers

package conntest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/test/moortest"
)

// MakeCaptures runs the command lines of the captures that are made in this kind of test, each
// without knowledge of the device, and keeps their packets and outputs in the directory
// captures of the logs, from where test/captures takes them.
func MakeCaptures(t *testing.T, m *moortest.Moor, made string) {
	t.Helper()
	dir := filepath.Join(m.Dir, "captures")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range replay.Captures() {
		if c.Made != made {
			continue
		}
		n++
		fresh := *m
		fresh.State = t.TempDir()
		r := fresh.Run(t, c.Args()...).OK(t)
		out := fmt.Sprintf("%s%sexit code %d\n", r.Stdout, r.Stderr, r.Exit)
		if err := os.WriteFile(filepath.Join(dir, c.Name+".out"), []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(r.Capture)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, c.Name+".btsnoop"), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if records, err := replay.Load(r.Capture); err != nil || len(records) < 20 {
			t.Errorf("%s: %d packets, %v", c.Name, len(records), err)
		}
	}
	if n == 0 {
		t.Errorf("no capture is made by %q", made)
	}
}
