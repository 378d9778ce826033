package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the pages whose commands are run.
var documents = []string{
	"README.md", "docs/boards.md", "docs/cache.md", "docs/containers.md", "docs/home-assistant.md", "examples/README.md",
}

// elsewhere lists the beginnings of commands that this test does not run, with the
// reason.
var elsewhere = []struct{ begin, reason string }{
	{"make ", "TestMakeTargets sees that the target exists"},
	{"go get ", "changes a module"},
	{"go run ", "a command of examples/README.md: TestReadmeCommands and TestModules run it"},
	{"docker ", "needs a daemon; TestCompose runs the commands of the compose file"},
	{"ADAPTER=hci0 docker ", "as docker"},
	{"container -a hci0 podman ", "needs podman; TestReadmeCommands runs the example with another program"},
	{"moor lab sensors --attach sim=pty", "TestTerminalOfLab runs it"},
	{"moor -a 'serial:", "TestTerminalOfLab runs it"},
	{"moor lab examples/uart/two.yaml", "takes two ports of this machine; TestUART has the same air"},
	{"moor bridge sim:sensors", "TestCompose runs it"},
	{"moor -a unix:./hci", "TestCompose runs it"},
	{"moor -a sim:sensors proxy --listen unix:", "TestThroughProxy of cmd/moor/internal/cli runs it"},
	{"moor -a esphome:unix:", "as the one before"},
}

// untilInterrupted lists the commands of moor that go on until Ctrl-C.
var untilInterrupted = []string{"connect", "proxy"}

// TestDocumentCommands runs the commands in the blocks of the documents with the built
// moor: those for real hardware on simulated air, with a device of it.
func TestDocumentCommands(t *testing.T) {
	used := map[string]bool{}
	for _, file := range documents {
		commands := commandsIn(t, file)
		t.Run(file, func(t *testing.T) {
			state := t.TempDir() // the commands of a page are run in order, by one user
			for _, command := range commands {
				skipped := slices.IndexFunc(elsewhere, func(e struct{ begin, reason string }) bool { return strings.HasPrefix(command, e.begin) })
				if skipped >= 0 {
					used[elsewhere[skipped].begin] = true
					continue
				}
				runDocumented(t, command, state)
			}
		})
	}
	for _, e := range elsewhere {
		if !used[e.begin] {
			t.Errorf("elsewhere has a row for %q, which no document has: remove the row", e.begin)
		}
	}
}

// runDocumented runs a command of a document, and wants it to succeed.
func runDocumented(t *testing.T, command, state string) {
	t.Helper()
	words := strings.Fields(strings.ReplaceAll(command, "AA:BB:CC:DD:EE:FF", "C0:FF:EE:00:00:02")) // a heart rate belt
	if words[0] == "sudo" {
		words = words[1:]
	}
	if filepath.Base(words[0]) != "moor" {
		t.Errorf("no test runs %q: add a row to elsewhere", command)
		return
	}
	args := words[1:]
	if args[0] == "doctor" || args[0] == "adapters" {
		args = append([]string{"--help"}, args...) // this machine may have no Bluetooth, which is their answer
	} else if args[0] != "-a" {
		args = append([]string{"-a", "sim:sensors"}, args...)
	}
	p := start(t, append([]string{program("moor"), "--state", state}, args...)...)
	if strings.Contains(command, " pair ") {
		p.send(passkeyOf(t, p) + "\n")
	}
	if slices.ContainsFunc(untilInterrupted, func(w string) bool { return slices.Contains(args, w) && !slices.Contains(args, "--show-key") }) {
		p.want(".")
		if slices.Contains(args, "connect") {
			p.want("connected")
		}
		p.interrupt()
		return
	}
	p.wantEnd(0)
}

var shownPasskey = regexp.MustCompile(`shows ([0-9]{6})`)

// passkeyOf waits for the passkey that the simulated device shows.
func passkeyOf(t *testing.T, p *process) string {
	t.Helper()
	m := p.stderr.wait(t, shownPasskey)
	return m[1]
}

// commandsIn returns the commands in the blocks of a page: lines that are indented by
// four, and those of sh blocks.
func commandsIn(t *testing.T, file string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	block := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "```"); ok {
			if block == "" {
				block = "```" + name
			} else {
				block = ""
			}
			continue
		}
		indented := block == "" && strings.HasPrefix(line, "    ")
		if block != "```sh" && !indented {
			continue
		}
		command, _, _ := strings.Cut(line, " # ")
		if command = strings.TrimSpace(command); command != "" {
			commands = append(commands, command)
		}
	}
	return commands
}

var makeTarget = regexp.MustCompile("(?m)(?:`|^    |^)make ([a-z][a-z0-9-]*)")

// TestMakeTargets: every target of make that a document names is in the Makefile.
func TestMakeTargets(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(documents, "CONTRIBUTING.md", "docs/policy.md") {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range makeTarget.FindAllStringSubmatch(string(text), -1) {
			found++
			target := m[1]
			literal := strings.Contains(string(makefile), "\n"+target+":")
			if arch, ok := strings.CutPrefix(target, "cross-"); ok && !literal {
				if !regexp.MustCompile(`(?m)^CROSS := .*\b` + arch + `\b`).Match(makefile) {
					t.Errorf("%s: make %s: CROSS has no %s", file, target, arch)
				}
				continue
			}
			if !literal {
				t.Errorf("%s: the Makefile has no target %s", file, target)
			}
		}
	}
	if found < 10 {
		t.Errorf("found only %d targets", found)
	}
}

// TestTerminalOfLab: the two commands of docs/boards.md, a lab at a pseudo terminal and a
// scan over it.
func TestTerminalOfLab(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/ptmx"); err != nil {
		t.Skip("this system has no pseudo terminals")
	}
	lab := start(t, program("moor"), "lab", "sensors", "--attach", "sim=pty")
	path := lab.want(`(/dev/pts/[0-9]+)`)[1]
	scan := start(t, program("moor"), "-a", "serial:"+path+"?flow=none", "scan", "--duration", "2s")
	scan.want("Thermometer")
	scan.wantEnd(0)
	lab.interrupt()
}

// TestFirstLab: the commands of docs/lab.md make a lab and use it.
func TestFirstLab(t *testing.T) {
	t.Parallel()
	commands := commandsIn(t, "docs/lab.md")
	dir := t.TempDir()
	named := func(begin string) []string {
		i := slices.IndexFunc(commands, func(c string) bool { return strings.HasPrefix(c, "moor "+begin) })
		if i < 0 {
			t.Fatalf("docs/lab.md has no command %q", begin)
		}
		command := strings.NewReplacer("unix:./", "unix:"+dir+"/", " room.yaml", " "+dir+"/room.yaml").Replace(commands[i])
		return append([]string{program("moor")}, strings.Fields(command)[1:]...)
	}
	example := named("lab --example")
	if want := []string{">", filepath.Join(dir, "room.yaml")}; !slices.Equal(example[3:], want) {
		t.Fatalf("the example goes to %q, want %q", example[3:], want)
	}
	text, err := exec.Command(example[0], example[1:3]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "room.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	// The second controller of the example is at a port of this machine, which may be in use.
	lab := start(t, append(named("lab room.yaml"), "--attach", "hci1=none")...)
	lab.want("unix:" + dir + "/hci0")
	scan := start(t, named("-a unix:./hci0 scan")...)
	scan.want("Thermometer")
	scan.wantEnd(0)
	read := start(t, named("-a unix:./hci0 read")...)
	read.want("87 %")
	read.wantEnd(0)
	set := start(t, named("lab set")...)
	set.wantEnd(0)
	lab.want("drop-link Thermometer")
	lab.interrupt()
}
