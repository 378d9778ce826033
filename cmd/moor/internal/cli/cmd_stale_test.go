package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// Only a real kernel has connections that stale ends: see test/kernel.
func TestStaleWithoutKernelLinks(t *testing.T) {
	moor(t.Context(), "stale", thermometer).want(t, 0, "no connection to "+thermometer+" had to be ended\n", "")
	moor(t.Context(), "stale", thermometer, "--json").want(t, 0, "", "")
}

// TestStaleOtherAdapters has the ways to name the adapter that keeps its connection.
func TestStaleOtherAdapters(t *testing.T) {
	const none = "no connection to " + thermometer + " had to be ended\n"
	state := t.TempDir()
	inAir(t, "heard", func(t *testing.T) {
		if r := moor(t.Context(), "-a", "sim:", "--state", state, "devices", "--duration", "1s"); r.code != 0 {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	machine := []hcisock.Adapter{{Name: "hci0", MAC: hci.MAC{1, 2, 3, 4, 5, 6}}}
	for _, c := range []struct {
		name, args     string
		code           int
		stdout, stderr string
	}{
		{"by name", "-a hci7", 0, none, ""},
		{"by address", "-a 06:05:04:03:02:01", 0, none, ""},
		{"by an address that no adapter has", "-a AA:BB:CC:DD:EE:FF", 1, "", "moor: this machine has no adapter AA:BB:CC:DD:EE:FF\n"},
		{"by what was heard", "--state " + state, 0, none, ""},
		{"by nothing", "", 2, "", "moor: no adapter has heard " + thermometer + ": name the adapter whose connection is to stay with --adapter\n      see moor stale --help\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := append(strings.Fields(c.args), "stale", thermometer, "--other-adapters")
			code := runChecked(t.Context(), args, &Env{Stdout: &stdout, Stderr: &stderr, Adapters: func() ([]hcisock.Adapter, error) { return machine, nil }})
			result{code, stdout.String(), stderr.String(), 0}.want(t, c.code, c.stdout, c.stderr)
		})
	}
}
