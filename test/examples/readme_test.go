package examples

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// run is a command of examples/README.md, and what its user sees.
type run struct {
	example string
	input   string // typed
	want    string // matches a line of the output
	ends    bool   // by itself; the others end by Ctrl-C
}

var runs = []run{
	{example: "battery", want: `^87 %$`, ends: true},
	{example: "hold", want: `"msg":"value","device":"C0:FF:EE:00:00:02","hex":"00[0-9a-f]{2}"`},
	{example: "advlog", want: `^\tbattery 97 %, 25.06 °C, 50.55 %$`},
	{example: "peripheral", want: `^advertising on sim:empty; Ctrl-C ends$`},
	{example: "uart", want: `^still ready$`},
	{example: "uart/device", want: `^advertising Modem on sim:empty; Ctrl-C ends$`},
	{example: "pair", input: "123456\n", want: `^paired: encrypted true, authenticated true, key of 16 octets$`, ends: true},
	{example: "beacon", want: `^iBeacon e2c56db5-dffb-48d2-b060-d0f5a71096e0/100/1 on sim:empty; Ctrl-C ends$`},
	{example: "goble-port", want: `^  characteristic 2a19 Battery Level$`, ends: true},
	{example: "proxy", want: `^attic listens at 127.0.0.1:[0-9]+; Ctrl-C ends$`},
	{example: "container", want: `C0:FF:EE:00:00:01/random .*Thermometer`, ends: true},
}

// ownModules are the examples that bring dependencies; simtest is a test.
var ownModules = []string{"mqtt", "prometheus"}

const tests = "simtest"

// TestReadmeCommands runs each command of examples/README.md, with the programs that
// TestMain has built.
func TestReadmeCommands(t *testing.T) {
	for _, r := range runs {
		t.Run(r.example, func(t *testing.T) {
			t.Parallel()
			p := start(t, commandOf(t, r.example)...)
			if r.input != "" {
				p.send(r.input)
			}
			p.want(r.want)
			if r.ends {
				p.wantEnd(0)
			} else {
				p.interrupt()
			}
			if r.example != "pair" && r.example != "uart" && p.stderr.String() != "" { // which talk to their user there
				t.Errorf("stderr: %v", p.stderr)
			}
		})
	}
}

// TestReadmeListsAll fails on an example without a row in examples/README.md, without a
// run here, or of a hundred lines of Go or more.
func TestReadmeListsAll(t *testing.T) {
	files, err := filepath.Glob(root + "/examples/*/*.go")
	if err != nil || len(files) < 12 {
		t.Fatalf("found %d programs, %v", len(files), err)
	}
	deeper, err := filepath.Glob(root + "/examples/*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, deeper...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n >= 100 {
			t.Errorf("%s has %d lines, want fewer than 100", file, n)
		}
		name, err := filepath.Rel(root+"/examples", filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.ToSlash(name)
		if len(rowOf(t, name)) == 0 {
			t.Errorf("examples/README.md has no row for %s", name)
		}
		known := slices.ContainsFunc(runs, func(r run) bool { return r.example == name })
		if !known && name != tests && !slices.Contains(ownModules, name) {
			t.Errorf("no test runs %s", name)
		}
	}
}

// rowOf returns the row of an example in examples/README.md.
func rowOf(t *testing.T, example string) string {
	t.Helper()
	text, err := os.ReadFile(root + "/examples/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| ["+example+"]("+example+"/") {
			return line
		}
	}
	return ""
}

var command = regexp.MustCompile("`(go run [^`]*)`")

// commandOf returns the command of an example in examples/README.md. The built programs
// take the place of go run.
func commandOf(t *testing.T, example string) (argv []string) {
	t.Helper()
	m := command.FindStringSubmatch(rowOf(t, example))
	if m == nil {
		t.Fatalf("examples/README.md has no command for %s", example)
	}
	words := strings.Fields(m[1])
	for len(words) > 0 {
		if len(words) > 2 && words[0] == "go" && words[1] == "run" {
			name := filepath.Base(words[2])
			if name == "." {
				name = example
			}
			argv, words = append(argv, filepath.Join(bin, name)), words[3:]
			continue
		}
		argv, words = append(argv, words[0]), words[1:]
	}
	return argv
}
