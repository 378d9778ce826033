package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// completed are lines at the moment when Tab is pressed, with the words that each shell
// must offer: all of want, none of not, and no word at all where both are empty.
var completed = []struct {
	line      string
	want, not []string
}{
	{"moor sc", []string{"scan"}, []string{"read"}},
	{"moor --json -a sim: sc", []string{"scan"}, []string{"read"}},
	{"moor scan --dur", []string{"--duration"}, []string{"--every"}},
	{"moor -a s", []string{"sim:crowd", "sim:sensors"}, []string{"scan", "slots"}},
	{"moor scan --adapter sim:c", []string{"sim:crowd"}, []string{"sim:sensors"}},
	{"moor cache ", []string{"list", "show", "clear"}, []string{"--json"}},
	{"moor cache --", []string{"--json", "--state"}, []string{"list"}},
	{"moor __", nil, nil},
	{"moor help sl", []string{"slots"}, []string{"help"}},
	{"moor read ", []string{thermometer + "/random", lamp}, []string{"--json", "read"}},
	{"moor read c0:ff:ee:00:00:01", []string{"c0:ff:ee:00:00:01/random"}, []string{lamp}},
	{"moor -a sim: --json read " + lamp + " ", []string{lampSwitch, lampText, "2a00"}, []string{lamp}},
	{"moor --state=none read ", nil, nil},
	{"moor read " + lamp + " 2a00 ", nil, nil},
	{"moor connect --attempts=", nil, nil},
	{"moor cache show ", []string{lamp}, []string{"list", "show", "clear"}},
	{"moor --state /tmp cache show AA:BB:CC:DD:EE:FF --j", []string{"--json"}, []string{"list", "show", "clear"}},
	{"moor completion f", []string{"fish"}, []string{"bash"}},
	{"moor read AA:BB:CC:DD:EE:FF --attempts ", nil, nil},
	{"moor pair AA:BB:CC:DD:EE:FF --oob /de", []string{"/dev"}, []string{"--json"}},
}

func TestCompletion(t *testing.T) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		for _, words := range []string{"devices", "read " + lamp + " " + lampSwitch} {
			if r := moor(t.Context(), append([]string{"-a", "sim:", "--state", state}, split(words)...)...); r.code != 0 {
				t.Fatalf("%s: exit code %d, stderr %q", words, r.code, r.stderr)
			}
		}
	})
	for _, shell := range []struct {
		name string
		// ask makes the shell complete its argument by the script on its standard
		// input, and write the words that it offers, one a line.
		ask []string
	}{
		// The test does for bash the work of -o default.
		{"bash", []string{"-c", `source /dev/stdin
			COMP_WORDBREAKS=$' \t\n"\'><=;|&(:' COMP_LINE=$0 COMP_POINT=${#0} colon=
			compopt() { [[ $* == "-o default" ]] && compgen -f -- "${COMP_LINE##* }"; }
			_moor
			[[ ${COMP_LINE##* } == *:* ]] && colon=${COMP_LINE##* } colon=${colon%:*}:
			((${#COMPREPLY[@]} == 0)) || printf "$colon%s\n" "${COMPREPLY[@]}"`}},
		{"fish", []string{"-Nc", `source; complete -C $argv[1]`}},
	} {
		t.Run(shell.name, func(t *testing.T) {
			if _, err := exec.LookPath(shell.name); err != nil {
				t.Skip(err)
			}
			env := withMoor(t, state)
			for _, c := range completed {
				cmd := exec.Command(shell.name, append(shell.ask, c.line)...)
				cmd.Stdin = strings.NewReader(script(t, shell.name))
				cmd.Env = env
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%q: %v: %s", c.line, err, out)
				}
				var offered []string
				for line := range strings.Lines(string(out)) {
					word, _, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t") // fish adds a description
					offered = append(offered, strings.TrimSuffix(word, "/"))
				}
				for _, want := range c.want {
					if !slices.Contains(offered, want) {
						t.Errorf("%q offers %q, want %s among them", c.line, offered, want)
					}
				}
				for _, not := range c.not {
					if slices.Contains(offered, not) {
						t.Errorf("%q offers %s, want that not", c.line, not)
					}
				}
				if c.want == nil && c.not == nil && len(offered) > 0 {
					t.Errorf("%q offers %q, want nothing", c.line, offered)
				}
			}
		})
	}
}

// TestCompletionZsh checks that the script registers itself when it is sourced, and the
// words that it offers.
func TestCompletionZsh(t *testing.T) {
	text := script(t, "zsh")
	if !strings.HasPrefix(text, "#compdef moor\n") {
		t.Errorf("no #compdef in:\n%s", text)
	}
	if _, err := exec.LookPath("zsh"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("zsh", "-fc", `autoload -U compinit; compinit -D; source /dev/stdin; print -r -- $_comps[moor]
		compadd() { print -rl -- $offered; }
		_files() { print FILES; }
		words=(moor cache ""); CURRENT=3 PREFIX=; _moor
		words=(moor --state x); CURRENT=3 PREFIX=x; _moor`)
	cmd.Stdin = strings.NewReader(text)
	cmd.Env = withMoor(t, "")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "_moor\nlist\nshow\nclear\nFILES\n" {
		t.Errorf("sourced, moor is completed by %q, %v; want _moor and the verbs of cache", out, err)
	}
}

func script(t *testing.T, shell string) string {
	t.Helper()
	r := moor(t.Context(), "completion", shell)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("%s: exit code %d, stderr %q", shell, r.code, r.stderr)
	}
	return r.stdout
}

// withMoor returns the environment of a shell with the program moor, which is this test's
// own binary: see TestMain.
func withMoor(t *testing.T, state string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "moor")); err != nil {
		t.Skip(err)
	}
	return append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "MOOR_STATE="+state, "MOOR_ADAPTER=")
}
