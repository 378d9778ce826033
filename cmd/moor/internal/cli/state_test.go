package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moor-ble/moor/connmgr"
)

// objects decodes one JSON object a line.
func objects[T any](t *testing.T, r result) (all []T) {
	t.Helper()
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	for line := range strings.Lines(r.stdout) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, v)
	}
	return all
}

func TestStateMakesTheNextTimeQuicker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	var first, second, without result
	inAir(t, "first", func(t *testing.T) {
		first = moor(t.Context(), "-a", "sim:", "--state", dir, "-v", "read", thermometer, "2a19")
		if first.code != 0 || first.stdout != "57  87 %\n" || !strings.Contains(first.stderr, "table read from the device") {
			t.Errorf("exit code %d, stdout %q, stderr %q", first.code, first.stdout, first.stderr)
		}
	})
	inAir(t, "second", func(t *testing.T) {
		second = moor(t.Context(), "-a", "sim:", "--state", dir, "-v", "read", thermometer, "2a19")
		if second.code != 0 || second.stdout != first.stdout || !strings.Contains(second.stderr, "table from the cache") {
			t.Errorf("exit code %d, stdout %q, stderr %q", second.code, second.stdout, second.stderr)
		}
	})
	inAir(t, "without cache", func(t *testing.T) {
		without = moor(t.Context(), "-a", "sim:", "--state", dir, "-v", "read", thermometer, "2a19", "--no-cache")
		if without.code != 0 || !strings.Contains(without.stderr, "table read from the device") {
			t.Errorf("exit code %d, stderr %q", without.code, without.stderr)
		}
	})
	// The second neither searches nor discovers.
	if second.took >= without.took || without.took >= first.took {
		t.Errorf("took %v, then %v, and %v without cache", first.took, second.took, without.took)
	}
	inAir(t, "known though absent", func(t *testing.T) {
		// No device is there: without the state, this would search and end as unseen.
		r := moor(t.Context(), "-a", "sim:empty", "--state", dir, "read", thermometer, "2a19")
		if r.code != exitNotFound || !strings.Contains(r.stderr, "(Thermometer): no connection after 4 attempts") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
}

func TestStateOfWrongUUID(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"fresh table", "table from the cache"} {
		inAir(t, name, func(t *testing.T) {
			moor(t.Context(), "-a", "sim:", "--state", dir, "read", belt, "2a6e").want(t, 1, "",
				"moor: the device has no characteristic or descriptor 2a6e (Temperature)\n      moor services shows what it has\n")
		})
	}
}

func TestDefaultState(t *testing.T) {
	run := func(t *testing.T, state string, args ...string) (code int, stderr string) {
		var out, notes bytes.Buffer
		code = runChecked(t.Context(), append([]string{"-a", "sim:", "-v"}, args...), &Env{Stdout: &out, Stderr: &notes, State: state})
		return code, notes.String()
	}
	dir := filepath.Join(t.TempDir(), "home", "moor")
	for _, want := range []string{"table read from the device", "table from the cache"} {
		inAir(t, want, func(t *testing.T) {
			if code, stderr := run(t, dir, "read", belt, "2a38"); code != 0 || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
		})
	}
	inAir(t, "none", func(t *testing.T) {
		if code, stderr := run(t, dir, "--state", "none", "read", belt, "2a38"); code != 0 || !strings.Contains(stderr, "table read from the device") {
			t.Errorf("exit code %d, stderr %q", code, stderr)
		}
	})
	inAir(t, "unusable", func(t *testing.T) {
		if code, stderr := run(t, "/dev/null/moor", "read", belt, "2a38"); code != 0 || !strings.Contains(stderr, "nothing is stored") {
			t.Errorf("exit code %d, stderr %q", code, stderr)
		}
	})
	inAir(t, "unusable, though asked for", func(t *testing.T) {
		if code, stderr := run(t, "", "--state", "/dev/null/moor", "read", belt, "2a38"); code != 1 || !strings.Contains(stderr, "/dev/null") {
			t.Errorf("exit code %d, stderr %q", code, stderr)
		}
	})
}

func TestNothingKept(t *testing.T) {
	dir := t.TempDir()
	for args, want := range map[string]string{"bonds": "no bonds are stored in " + dir + "\n", "cache list": "no tables are stored in " + dir + "\n"} {
		for _, on := range []struct {
			name, flag string
			terminal   bool
			want       string
		}{{"terminal", "--json=false", true, want}, {"JSON", "--json", true, ""}, {"pipe", "--json=false", false, ""}} {
			var out, notes bytes.Buffer
			env := &Env{Stdout: &out, Stderr: &notes}
			if on.terminal {
				env.Terminal = func() (int, int) { return 80, 24 }
			}
			code := runChecked(t.Context(), append([]string{"--state", dir, on.flag}, strings.Fields(args)...), env)
			if code != 0 || out.String() != "" || notes.String() != on.want {
				t.Errorf("%s, %s: exit code %d, stdout %q, stderr %q", args, on.name, code, out.String(), notes.String())
			}
		}
	}
}

// TestStateAdvice: errors of the state directory have remedies of their own, for the
// disk and for the content of a file.
func TestStateAdvice(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string, args ...string) {
		t.Helper()
		inAir(t, strings.Join(args, " "), func(t *testing.T) {
			r := moor(t.Context(), append([]string{"-a", "sim:", "--state", dir}, args...)...)
			message, advice, _ := strings.Cut(r.stderr, "\n")
			if r.code != 1 || !strings.HasPrefix(message, "moor: ") || !strings.Contains(message, dir) || strings.Contains(message, ";") || !strings.HasPrefix(advice, "      "+want) {
				t.Errorf("exit code %d, stderr:\n%swant %q", r.code, r.stderr, want)
			}
		})
	}
	write("devices.json", `{"version":9}`)
	check("remove "+dir+"/devices.json: what is on air is heard again\n", "devices", "--duration", "0")
	write("bonds/x/identity.json", "{")
	check("put "+dir+"/bonds/x/identity.json back from a backup, or remove it: ", "bonds")
	if err := os.RemoveAll(filepath.Join(dir, "bonds")); err != nil {
		t.Fatal(err)
	}
	write("bonds", "")
	for _, args := range [][]string{{"bonds"}, {"unpair", lock}, {"read", belt, "2a38"}} {
		check("name a directory that you may read and write with --state DIR", args...)
	}
	full := &connmgr.StateError{Dir: "/x", Err: &os.PathError{Op: "write", Path: "/x/y", Err: syscall.ENOSPC}}
	if got := advice(full); !strings.HasPrefix(got, "make room on the disk") {
		t.Errorf("of a full disk: %q", got)
	}
}

// TestDamagedState damages files of the state directory: those that can be made anew are
// set aside, and the command goes on; all others are named at once.
func TestDamagedState(t *testing.T) {
	write := func(t *testing.T, dir, name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, args, stdout, why, remedy string }{
		{"devices.json", "devices --duration 0", "", "unexpected end of JSON input", "what is on air is heard again"},
		{"traits.json", "cache list", "", "unexpected end of JSON input", "the Manager learns again which steps devices cannot take"},
		{
			"address", "read " + belt + " 2a38", "01  chest\n", `"{" is not a device address: write six pairs of hexadecimal digits, such as C0:FF:EE:00:00:01`,
			"this host then has another address, and bonds made with the old one end",
		},
	} {
		inAir(t, c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.name, "{")
			args := append([]string{"-a", "sim:", "--state", dir}, strings.Fields(c.args)...)
			moor(t.Context(), args...).want(t, 0, c.stdout, fmt.Sprintf(
				"moor: state directory %s: %s: the file is damaged: %s; it is %s/%s.damaged now\n      %s\n", dir, c.name, c.why, dir, c.name, c.remedy))
			moor(t.Context(), args...).want(t, 0, c.stdout, "")
		})
	}
	inAir(t, "keys", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "address", "{")
		write(t, dir, "devices.json", "{")
		write(t, dir, "bonds/C0FFEE00000A-random/identity.json", "{")
		r := moor(t.Context(), "-a", "sim:", "--state", dir, "read", belt, "2a38")
		for _, want := range []string{
			dir + "/devices.json.damaged now\n", "; put " + dir + "/address back from a backup, or remove it: ",
			"; put " + dir + "/bonds/C0FFEE00000A-random/identity.json back from a backup, or remove it: ",
		} {
			if r.code != 1 || strings.Count(r.stderr, want) != 1 {
				t.Errorf("exit code %d, no %q in:\n%s", r.code, want, r.stderr)
			}
		}
	})
}
