package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestUsageErrors has the mistakes that newcomers make. Each error names the word to
// change, and the help that lists the right ones.
func TestUsageErrors(t *testing.T) {
	for _, c := range []struct{ args, message, help string }{
		{"red", `"red" is not a command: did you mean read?`, "moor --help"},
		{"kettle", `"kettle" is not a command`, "moor --help"},
		{"read", "ADDR is missing: the device's address, such as C0:FF:EE:00:00:01/random, or its name", "moor read --help"},
		{"read " + belt, "UUID|HANDLE is missing: a UUID (2a19, or all 32 digits), its name, or a handle (0x0012, or decimal 18)", "moor read --help"},
		{"read C0-FF-EE 2a19", `"C0-FF-EE" is not an address: write AA:BB:CC:DD:EE:FF, optionally followed by /random or /public`, "moor read --help"},
		{"read " + belt + " 2a38 2a39", `unexpected argument "2a39"`, "moor read --help"},
		{"write " + belt + " 2a39", `HEX is missing: the value in hexadecimal, or --text TEXT instead (--text "" is the empty value)`, "moor write --help"},
		{"write " + belt + " 2a39 on", `"on" is not hexadecimal: 'o' is not a digit (for text use --text)`, "moor write --help"},
		{"write " + belt + " 2a39 01 --text x", "the value is given twice, as HEX and with --text: leave one of them out", "moor write --help"},
		{"cache", "list|show|clear is missing: list all tables, show one, or clear one or all", "moor cache --help"},
		{"cache burn", `"burn": write one of list, show, clear`, "moor cache --help"},
		{"cache list " + belt, `unexpected argument "` + belt + `": cache show ADDR shows the table of one device`, "moor cache --help"},
		{"completion", "bash|zsh|fish is missing: the shell that the script is for", "moor completion --help"},
		{"-q scan", "unknown flag: -q", "moor --help"},
		{"read -q", "unknown flag: -q", "moor read --help"},
		{"read --count 3", "unknown flag: --count", "moor read --help"},
		{"-a", "--adapter needs a value: --adapter ADAPTER", "moor --help"},
		{"devices --duration", "--duration needs a value: --duration TIME", "moor devices --help"},
		{"notify " + belt + " 2a37 --count many", `--count: "many" is not a number of values: write 1 or more, or 0 for no limit`, "moor notify --help"},
		{"notify " + belt + " 2a37 --count -1", `--count: "-1" is not a number of values: write 1 or more, or 0 for no limit`, "moor notify --help"},
		{"-a sim: scan --adaptor hci0", "unknown flag: --adaptor: did you mean --adapter?", "moor scan --help"},
		{"--verbos scan", "unknown flag: --verbos: did you mean --verbose?", "moor --help"},
		{"scan --durations 3s", "unknown flag: --durations: did you mean --duration?", "moor scan --help"},
		{"scan --to 3s", "unknown flag: --to", "moor scan --help"},
		{"scan --duration -3s", `--duration: "-3s" is negative: write a duration from 0 on`, "moor scan --help"},
		{"scan --duration 9999999h", `--duration: "9999999h" is too long: write at most 2562047h`, "moor scan --help"},
		{"connect " + belt + " --timeout -1ms", `--timeout: "-1ms" is negative: write a duration from 0 on`, "moor connect --help"},
		{"params " + belt + " --interval 0s", `--interval: "0s" is too short: write a duration above 0`, "moor params --help"},
		{"params " + belt + " --interval 30ms --timeout -2s", `--timeout: "-2s" is negative: write a duration from 0 on`, "moor params --help"},
		{"params " + belt + " --interval 99999999999s", `--interval: "99999999999s" is too long: write at most 2562047h`, "moor params --help"},
		{"-a sim:,sim: scan", `--adapter: "sim:" is there twice: leave one of them out`, "moor --help"},
		{"-a hci0 -a hci1,hci0 scan", `--adapter: "hci0" is there twice: leave one of them out`, "moor --help"},
		{"-a sim:crowd?seed=1&seed=2 scan", `--adapter: scenario crowd: seed is there twice: leave one of them out`, "moor scan --help"},
		{"scan --key " + cellarKey + " --key " + cellarKey, `--key: 54:48:E6:8F:80:A5 has a key already: leave one of them out`, "moor scan --help"},
		{"params " + belt + " --latency -1", `--latency: "-1" is not a whole number from 0 on`, "moor params --help"},
		{"params " + belt + " --latency 70000", `--latency: "70000" is out of range`, "moor params --help"},
		{"--json=maybe slots", `--json: "maybe" is neither true nor false`, "moor --help"},
		{"read " + belt + " 2a38 --attempts 0", `--attempts: "0": write a number from 1 to 1000`, "moor read --help"},
		{"pair " + belt + " --mitm --just-works", "--mitm requires protection and --just-works has none: give one of them", "moor pair --help"},
		{"--state /tmp bonds show", "ADDR is missing: the device whose bond is to be shown", "moor bonds --help"},
	} {
		r := moor(t.Context(), strings.Fields(c.args)...)
		if want := "moor: " + c.message + "\n      see " + c.help + "\n"; r.code != 2 || r.stdout != "" || r.stderr != want {
			t.Errorf("%s: exit code %d, stdout %q, stderr:\n%swant 2 and:\n%s", c.args, r.code, r.stdout, r.stderr, want)
		}
	}
}

// TestHelpIsComplete: no page of help refers to a text that it does not have.
func TestHelpIsComplete(t *testing.T) {
	for _, c := range commands() {
		if help := moor(t.Context(), c.name, "--help").stdout; strings.Contains(help, "below") || strings.Contains(help, "VERB") {
			t.Errorf("%s refers to what it does not show:\n%s", c.name, help)
		}
	}
	help := strings.Join(strings.Fields(moor(t.Context(), "cache", "--help").stdout), " ")
	if want := "Arguments: list|show|clear list all tables, show one, or clear one or all ADDR the device's address"; !strings.Contains(help, want) {
		t.Errorf("no %q in: %s", want, help)
	}
}

// TestHelpIsNarrow: help fits a terminal of 40 columns, unless a word is longer.
func TestHelpIsNarrow(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"read", "--help"}, {"bonds", "--help"}} {
		var stdout, stderr bytes.Buffer
		runChecked(t.Context(), args, &Env{Stdout: &stdout, Stderr: &stderr, Terminal: func() (int, int) { return 40, 24 }})
		for line := range strings.Lines(stdout.String()) {
			if line = strings.TrimRight(line, "\n"); width(line) > 40 && !strings.HasPrefix(line, "Usage:") && strings.Count(strings.TrimSpace(line), " ") > 0 {
				t.Errorf("%v: %d columns: %q", args, width(line), line)
			}
		}
	}
}
