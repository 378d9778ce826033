package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moor-ble/moor/smp"
)

// TestBondsImportErrors has input that import refuses as a whole: no bond of it is
// kept.
func TestBondsImportErrors(t *testing.T) {
	state := t.TempDir()
	var local, bonds string
	inAir(t, "pair", func(t *testing.T) {
		h := newHouse(t, state, &smp.Config{})
		if r := h.moor(nil, "pair", lock); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
		local = h.adapters[0].Address().String()
		bonds = h.moor(nil, "bonds", "export").stdout
		if r := h.moor(nil, "unpair", lock); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	file := filepath.Join(t.TempDir(), "none")
	stranger := strings.Replace(bonds, local, "00:00:00:00:00:01/public", 1)
	for _, c := range []struct{ name, args, input, stderr string }{
		{"no list", "", "{}", "import: not a list of bonds: unexpected JSON object"},
		{"no bond", "", "[1]", "import: bond 1: unexpected JSON number"},
		{"another adapter", "", stranger, "import: bond 1 belongs to the adapter 00:00:00:00:00:01/public, which has not been used with this state: run any command with it first"},
		{"no file", "--file " + file, "", "import: open " + file + ": no such file or directory\n      check the name, and that its directory exists"},
		{"one is of another adapter", "", strings.TrimSuffix(bonds, "\n]\n") + "," + strings.TrimPrefix(stranger, "["), "import: bond 2 belongs to the adapter 00:00:00:00:00:01/public, which has not been used with this state: run any command with it first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := withInput(t, c.input, append([]string{"--state", state, "bonds", "import"}, strings.Fields(c.args)...)...)
			r.want(t, 1, "", "moor: "+c.stderr+"\n")
			moor(t.Context(), "--state", state, "bonds").want(t, 0, "", "")
		})
	}
	moor(t.Context(), "--state", state, "bonds", "import").want(t, 1, "", "moor: import: there is no input: name a file with --file\n")
	withInput(t, bonds, "--state", state, "--json", "bonds", "import").want(t, 0, `{"imported":1}`+"\n", "")
	out := filepath.Join(t.TempDir(), "bonds")
	moor(t.Context(), "--state", state, "--json", "bonds", "export", lock, "--file", out).want(t, 0, `{"exported":1}`+"\n", "")
	if got, err := os.ReadFile(out); err != nil || string(got) != bonds {
		t.Errorf("exported %s, %v, want %s", got, err, bonds)
	}
	moor(t.Context(), "--state", state, "bonds", "show", belt).want(t, 1, "", fmt.Sprintf("moor: %s: there is no bond with this device\n", belt))
}

// withInput runs a command line with input on standard input.
func withInput(t *testing.T, input string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := runChecked(t.Context(), args, &Env{Stdin: strings.NewReader(input), Stdout: &stdout, Stderr: &stderr})
	return result{code, stdout.String(), stderr.String(), 0}
}
