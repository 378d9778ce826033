package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
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
	{"moor cache ", []string{"list", "show", "clear"}, nil},
	{"moor cache show ", nil, []string{"list", "show", "clear"}},
	{"moor --state /tmp cache show AA:BB:CC:DD:EE:FF --j", []string{"--json"}, []string{"list", "show", "clear"}},
	{"moor completion f", []string{"fish"}, []string{"bash"}},
	{"moor read AA:BB:CC:DD:EE:FF --attempts ", nil, nil},
	{"moor pair AA:BB:CC:DD:EE:FF --oob /de", []string{"/dev"}, []string{"--json"}},
}

func TestCompletion(t *testing.T) {
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
			for _, c := range completed {
				cmd := exec.Command(shell.name, append(shell.ask, c.line)...)
				cmd.Stdin = strings.NewReader(script(t, shell.name))
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

// TestCompletionZsh checks the script's content, and that it registers itself when it
// is sourced.
func TestCompletionZsh(t *testing.T) {
	text := script(t, "zsh")
	for _, want := range []string{
		"#compdef moor\n", "\n\t\tscan)\n\t\t_arguments", "'1:value:(list show clear)'", " sim:crowd ", ":FILE:_files'", ":ADAPTER:_moor_adapters'",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if _, err := exec.LookPath("zsh"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("zsh", "-fc", `autoload -U compinit; compinit -D; source /dev/stdin; print -r -- $_comps[moor]`)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "_moor\n" {
		t.Errorf("sourced, moor is completed by %q, %v; want _moor", out, err)
	}
}

// TestCompletionFish checks for the commands, the flags and the values in the script,
// also on a machine without fish.
func TestCompletionFish(t *testing.T) {
	text := script(t, "fish")
	for _, want := range []string{
		"\ncomplete -c moor -l json -d 'write results as JSON, one object per line'\n",
		"\ncomplete -c moor -l adapter -s a -xa '(__moor_adapters)' -d ",
		"\ncomplete -c moor -n \"__moor_in ''\" -a scan -d 'Show the devices that advertise.'\n",
		"\ncomplete -c moor -n '__moor_in cache first' -a 'list show clear'\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
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
