//go:build unix

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inputs are command lines that read the file FILE.
var inputs = []string{"scan --key-file FILE", "devices --duration 0 --key-file FILE", "pair " + lamp + " --oob FILE", "bonds import --file FILE"}

// withFile returns the words of a command line on simulated air with FILE replaced.
func withFile(t *testing.T, args, file string) []string {
	t.Helper()
	return append([]string{"-a", "sim:beacons", "--state", t.TempDir()}, strings.Fields(strings.ReplaceAll(args, "FILE", file))...)
}

// TestEndlessInput has commands read a file without end.
func TestEndlessInput(t *testing.T) {
	for _, args := range inputs {
		r := moor(t.Context(), withFile(t, args, "/dev/zero")...)
		if want := "/dev/zero: it has more than 4 MiB: is it the right file?\n"; r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q, want %q", args, r.code, r.stderr, want)
		}
	}
	zeros, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zeros.Close()
	var out printed
	code := runChecked(t.Context(), []string{"--state", t.TempDir(), "bonds", "import"}, &Env{Stdin: zeros, Stdout: &out.stdout, Stderr: &out.stderr})
	if want := "moor: import: standard input: it has more than 4 MiB: is it the right file?\n"; code != 1 || out.stderr.String() != want {
		t.Errorf("exit code %d, stderr %q, want %q", code, out.stderr.String(), want)
	}
}

// TestInputOfEverybody has commands read a file with secrets that other users may read
// too: they say so, and go on.
func TestInputOfEverybody(t *testing.T) {
	file := filepath.Join(t.TempDir(), "it's secret")
	quoted := `'` + strings.ReplaceAll(file, "'", `'\''`) + `'`
	for _, c := range []struct {
		mode os.FileMode
		want string
	}{
		{0o600, ""},
		{0o640, ""}, // a group may share keys
		{0o644, "moor: every user of this machine can read " + file + "\n      run chmod o= " + quoted + ", and treat what was in it as known to others\n"},
		{0o622, "moor: every user of this machine can change " + file + "\n      run chmod o= " + quoted + ", and check what is in it\n"},
	} {
		for args, content := range map[string]string{"--key-file": cellarKey, "--file": "[]"} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, c.mode); err != nil {
				t.Fatal(err)
			}
			words := []string{"--state", t.TempDir(), "devices", "--duration", "0", args, file}
			stdout := ""
			if args == "--file" {
				words = []string{"--state", t.TempDir(), "bonds", "import", args, file}
				stdout = "0 bonds imported\n"
			}
			r := moor(t.Context(), words...)
			r.want(t, 0, stdout, c.want)
		}
	}
}

// TestInputWithMark reads files of editors that begin a text with a byte order mark.
func TestInputWithMark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for args, content := range map[string]string{"devices --duration 0 --key-file FILE": cellarKey, "bonds import --file FILE": "[]"} {
		if err := os.WriteFile(file, []byte("\ufeff"+content+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := moor(t.Context(), withFile(t, args, file)...); r.code != 0 || r.stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", args, r.code, r.stderr)
		}
		if err := os.WriteFile(file, []byte("\xff\xfe5\x004\x00:\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := moor(t.Context(), withFile(t, args, file)...); !strings.Contains(r.stderr, file+": the text is UTF-16: save it as UTF-8\n") {
			t.Errorf("%s: exit code %d, stderr %q", args, r.code, r.stderr)
		}
	}
}

// TestOutputReplacesItsKind: a capture replaces a capture and an export an export, but
// neither another file, whose name is probably a mistake.
func TestOutputReplacesItsKind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	state := t.TempDir()
	capture := []string{"-a", "sim:", "--state", state, "--snoop", file, "scan", "--duration", "1s"}
	export := []string{"-a", "sim:", "--state", state, "bonds", "export", "--file", file}
	run := func(args []string) (r result) {
		inAir(t, "run", func(t *testing.T) { r = moor(t.Context(), args...) })
		return r
	}
	for _, args := range [][]string{capture, export} {
		for range 2 {
			if r := run(args); r.code != 0 || r.stderr != "" {
				t.Errorf("%v: exit code %d, stderr %q", args, r.code, r.stderr)
			}
		}
		other, what := export, "export: "+file+" exists and is no export of bonds: remove it, or name another file\n"
		if args[len(args)-1] == file {
			other, what = capture, "capture: "+file+" exists and is no capture: remove it, or name another file\n"
		}
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if r := run(other); r.code != 1 || r.stderr != "moor: "+what {
			t.Errorf("%v: exit code %d, stderr %q, want %q", other, r.code, r.stderr, what)
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%v: the file has changed, %v", other, err)
		}
		if err := os.Truncate(file, 0); err != nil { // an empty one is no loss
			t.Fatal(err)
		}
	}
}
