package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// TestMain is the program moor if a shell under test calls this binary by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "moor" {
		os.Exit(Run(context.Background(), os.Args[1:], &Env{Stdout: os.Stdout, Stderr: os.Stderr}))
	}
	publishedSchema()
	goleak.VerifyTestMain(m, goleak.Cleanup(reportViolations))
}

// result is the exit code and the output of a command line.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// moor runs a command line. Simulated air in it lives in the time of the
// caller's synctest bubble.
func moor(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	start := time.Now()
	code := runChecked(ctx, args, &Env{Stdout: &stdout, Stderr: &stderr})
	return result{code, stdout.String(), stderr.String(), time.Since(start)}
}

// errStopped ends commands as a signal does.
var errStopped = errors.New("stopped by the test")

// inAir runs f for each case in a bubble of its own.
func inAir(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func (r result) want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	if r.stdout != stdout {
		t.Errorf("stdout:\n%swant:\n%s", r.stdout, stdout)
	}
	if r.stderr != stderr {
		t.Errorf("stderr:\n%swant:\n%s", r.stderr, stderr)
	}
}

// The devices of the default scenario.
const (
	thermometer = "C0:FF:EE:00:00:01"
	belt        = "C0:FF:EE:00:00:02/random"
	lamp        = "C0:FF:EE:00:00:03/random"
	lampSwitch  = "6d6f6f72-0002-4c61-6d70-000000000000"
	lampText    = "6d6f6f72-0003-4c61-6d70-000000000000"
)

func TestWrongCommandLines(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // in stderr
	}{
		{"walk", `"walk" is not a command`},
		{"sacn", "\"sacn\" is not a command: did you mean scan?\n"},
		{"services2", "did you mean services?"},
		{"pari", "did you mean pair?"},
		{"help demp", "did you mean demo?"},
		{"unpiar", "did you mean unpair?"},
		{"--purple scan", "unknown flag: --purple"},
		{"scan --purple", "unknown flag: --purple"},
		{"scan now", `unexpected argument "now"`},
		{"scan --duration 5", "--duration: \"5\" is not a duration: write a number with a unit"},
		{"scan --duration -5s", "is negative"},
		{"scan --rssi 40", `--rssi: "40" is not a signal strength`},
		{"scan --phy 2m", `--phy: "2m" is no physical layer that devices advertise on: write 1m, coded or 1m,coded`},
		{"scan --service kettle", `--service: "kettle" is not a UUID`},
		{"scan --manufacturer Apple", `"Apple" is no company identifier`},
		{"read", "ADDR is missing: the device's address"},
		{"read " + thermometer, "UUID|HANDLE is missing"},
		{"read C0:FF:EE:00:00 2a19", `"C0:FF:EE:00:00" is not an address`},
		{"read C0:FF:EE:00:00:0G 2a19", `"C0:FF:EE:00:00:0G" is not an address`},
		{"read C0FFEE000001 2a19", `"C0FFEE000001" is not an address`},
		{"read " + thermometer + " battery", "neither a UUID nor a handle"},
		{"write " + thermometer + " 2a19", "HEX is missing: the value in hexadecimal, or --text TEXT instead"},
		{"write " + thermometer + " 2a19 0g", "'g' is not a digit"},
		{"write " + thermometer + " 2a19 00 --text x", "the value is given twice"},
		{"write " + thermometer + " 2a19 word", "\"word\" is not hexadecimal: 'w' is not a digit (for text use --text)"},
		{"write " + thermometer + " 2a19 " + strings.Repeat("00", 513), "an attribute has at most 512"},
		{"notify " + thermometer + " 2a19 --count -1", `--count: "-1" is not a number of values`},
		{"params " + thermometer, "--interval is missing"},
		{"params " + thermometer + " --interval 1ms", "want 7.5ms to 4s"},
		{"params " + thermometer + " --interval 50ms-30ms", "must not be above"},
		{"params " + thermometer + " --interval 50ms --timeout 1ms", "want 100ms to 32s"},
		{"params " + thermometer + " --interval 50ms --latency 500", "499"},
		{"completion tcsh", "write one of bash, zsh, fish"},
		{"-a hcix scan", `--adapter: "hcix": adapter index "x" is not a number from 0 to 65534; use hci0, `},
		{"scan -a hci0,kettle", `--adapter: "kettle": not a known form; use hci0, `},
		{"-a tcp:host scan", `--adapter: "tcp:host": address host: missing port in address; use hci0, `},
		{"-a sim:atlantis doctor", `--adapter: no scenario "atlantis": there are sensors, beacons, empty, `},
		{"-a sim: -a sim:crowd?seed=x scan", `--adapter: scenario crowd: seed "x": write a whole number from 0 to `},
		{"-a '' scan", `--adapter: there is no adapter in "": write one, such as hci0, or leave the flag out`},
		{"-a , scan", `--adapter: there is no adapter in ",": write one, such as hci0, or leave the flag out`},
	} {
		r := moor(t.Context(), split(c.args)...)
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, c.want) || !strings.HasSuffix(r.stderr, " --help\n") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want 2 and %q", c.args, r.code, r.stdout, r.stderr, c.want)
		}
	}
}

// split splits a command line; a word of two apostrophes is empty.
func split(line string) []string {
	all := strings.Fields(line)
	for i := range all {
		if all[i] == "''" {
			all[i] = ""
		}
	}
	return all
}

func TestAdapterOfEnvironment(t *testing.T) {
	t.Setenv("MOOR_ADAPTER", "sim:,sim:nowhere")
	r := moor(t.Context(), "scan")
	if want := "moor: $MOOR_ADAPTER: no scenario \"nowhere\": there are "; r.code != 2 || !strings.HasPrefix(r.stderr, want) {
		t.Errorf("exit code %d, stderr %q, want 2 and %q", r.code, r.stderr, want)
	}
	inAir(t, "the flag counts", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
	t.Setenv("MOOR_ADAPTER", " sim: ,")
	inAir(t, "the environment counts", func(t *testing.T) {
		moor(t.Context(), "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"-h"}, {"help"}} {
		r := moor(t.Context(), args...)
		if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, "\n  params ADDR  ") {
			t.Errorf("%q: exit code %d, stderr %q, stdout:\n%s", args, r.code, r.stderr, r.stdout)
		}
		for line := range strings.Lines(r.stdout) {
			if width(line) > helpWidth+1 {
				t.Errorf("%q is wider than %d columns", line, helpWidth)
			}
		}
	}
	for _, c := range commands() {
		if c.isHidden() {
			continue
		}
		for _, args := range [][]string{{c.name, "--help"}, {"help", c.name}, {"--json", c.name, "-h"}} {
			r := moor(t.Context(), args...)
			if r.code != 0 || r.stderr != "" || !strings.HasPrefix(r.stdout, "Usage: moor [FLAGS] "+c.name) {
				t.Errorf("%q: exit code %d, stderr %q, stdout:\n%s", args, r.code, r.stderr, r.stdout)
			}
		}
	}
}

// TestHelpOnNarrowTerminal: help fits a terminal of 40 columns and more.
func TestHelpOnNarrowTerminal(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := runChecked(t.Context(), []string{"help", "adapters"}, &Env{Stdout: &stdout, Stderr: &stderr, Terminal: func() (int, int) { return 52, 24 }})
	want := "Usage: moor [FLAGS] adapters\n\nList the Bluetooth adapters of this machine.\n\n" +
		"With --adapter, only the adapters named. An adapter\nthat the kernel does not have, such as sim:, is\nopened for a moment to test whether it answers.\n\n" +
		"Flags of this command:\n      --discover              list the Bluetooth\n                              proxies on the local\n                              network instead\n\n"
	if code != 0 || stderr.Len() > 0 || !strings.HasPrefix(stdout.String(), want) {
		t.Errorf("exit code %d, stderr %q, stdout:\n%swant:\n%s", code, stderr.String(), stdout.String(), want)
	}
}

// TestParamsHelp: help tells the two timeouts apart.
func TestParamsHelp(t *testing.T) {
	help := strings.Join(strings.Fields(moor(t.Context(), "params", "--help").stdout), " ")
	for _, want := range []string{
		"Here --timeout is the supervision timeout", "--connect-timeout limits the time to connect, as --timeout does for other commands.", "--timeout TIME supervision timeout, which does not limit connecting:",
	} {
		if !strings.Contains(help, want) {
			t.Errorf("no %q in: %s", want, help)
		}
	}
	if r := moor(t.Context(), "params", thermometer, "--interval", "30ms", "--timeout", "1m"); r.code != 2 || !strings.Contains(r.stderr, "Supervision_Timeout is 1m0s") {
		t.Errorf("exit code %d, stderr %q, want 2 and which timeout it is about", r.code, r.stderr)
	}
}

func TestVersion(t *testing.T) {
	r := moor(t.Context(), "version")
	if r.code != 0 || !strings.HasPrefix(r.stdout, "moor (devel) (") && !strings.HasPrefix(r.stdout, "moor v") {
		t.Errorf("exit code %d, %q", r.code, r.stdout)
	}
	r = moor(t.Context(), "version", "--json")
	if r.code != 0 || !strings.HasPrefix(r.stdout, `{"version":"`) {
		t.Errorf("exit code %d, %q", r.code, r.stdout)
	}
}

func TestVersionFlag(t *testing.T) {
	want := moor(t.Context(), "version", "--json")
	for _, args := range [][]string{{"--version", "--json"}, {"--json", "--version"}, {"--version", "--json", "scan"}, {"scan", "--version", "--json"}} {
		moor(t.Context(), args...).want(t, 0, want.stdout, "")
	}
	if r := moor(t.Context(), "--help"); !strings.Contains(r.stdout, "--version") {
		t.Errorf("no --version in:\n%s", r.stdout)
	}
}

func TestVerbose(t *testing.T) {
	for _, c := range []struct {
		flag      string
		want, not []string // in stderr
	}{
		{"-v", []string{"connected on sim: in "}, []string{"level=LINK", "level=PACKET", "device ended", "closed network connection"}},
		{"-vv", []string{`level=LINK msg="link up"`}, []string{"level=PACKET"}},
		{"-vvv", []string{`level=LINK msg="link up"`, `level=PACKET msg=sent adapter=sim: packet="> Reset"`, "Disconnection Complete"}, nil},
	} {
		inAir(t, c.flag, func(t *testing.T) {
			r := moor(t.Context(), "-a", "sim:", c.flag, "read", belt, "2a38")
			if r.code != 0 || r.stdout != "01  chest\n" {
				t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
			}
			for _, want := range c.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("%q is missing in:\n%s", want, r.stderr)
				}
			}
			for _, not := range c.not {
				if strings.Contains(r.stderr, not) {
					t.Errorf("%q is in:\n%s", not, r.stderr)
				}
			}
		})
	}
}
