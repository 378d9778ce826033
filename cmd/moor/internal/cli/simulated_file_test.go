//go:build !minimal

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moor-ble/moor/sim"
)

// TestSimulatedFileState: the controller of a scenario file is another one than that of a
// scenario of the program, with a state of its own.
func TestSimulatedFileState(t *testing.T) {
	inAir(t, "state", func(t *testing.T) {
		h := &home{t: t, state: t.TempDir()}
		h.moor("-a", "sim:", "read", strings.TrimSuffix(belt, "/random"), "2a38").want(t, 0, "01  chest\n", "")
		file := filepath.Join(t.TempDir(), "room.yaml")
		if err := os.WriteFile(file, sim.ExampleFile(), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := h.moor("-a", "sim:"+file, "scan", "--duration", "2s"); r.code != 0 || r.stdout == "" {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
		if got := h.entries("sim", "files"); got != "room" {
			t.Errorf("%q is kept for files, want room", got)
		}
	})
}
