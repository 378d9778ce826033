package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/sim"
)

const gadget = `
peripherals:
  - name: Gadget
    address: C0:FF:EE:00:00:07
    links: 2
    pairing: {method: just-works}
    services:
      - uuid: 180f
        characteristics: [{uuid: 2a19, name: Level, properties: [read, write, notify], value: 87}]
      - uuid: fff0
        characteristics:
          - {uuid: fff1, name: Text, properties: [read, notify], value: hello}
          - {uuid: fff2, name: Year, behavior: {kind: exec, run: "echo 2026", every: 1h}}
`

// serving is a run of moor peripheral.
type serving struct {
	file   string
	stdin  *io.PipeWriter
	hangup chan struct{}
	stdout bytes.Buffer // valid once the bubble is idle
	stderr bytes.Buffer
	stop   context.CancelFunc
	done   chan int
}

func servePeripheral(t *testing.T, air *sim.Air, content string, args ...string) *serving {
	t.Helper()
	s := &serving{file: filepath.Join(t.TempDir(), "gadget.yaml"), hangup: make(chan struct{}), done: make(chan int, 1)}
	s.write(t, content)
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	var in *io.PipeReader
	in, s.stdin = io.Pipe()
	env := &Env{Stdin: in, Stdout: &s.stdout, Stderr: &s.stderr, Open: air.OpenTransport, Hangups: func() <-chan struct{} { return s.hangup }}
	args = append([]string{"-a", "hci0"}, append(args, "peripheral", s.file)...)
	go func() { s.done <- runChecked(ctx, args, env) }()
	time.Sleep(100 * time.Millisecond)
	return s
}

func (s *serving) write(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(s.file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// say writes a line to standard input.
func (s *serving) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(s.stdin, line+"\n"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// end interrupts the command and wants it to end well.
func (s *serving) end(t *testing.T) {
	t.Helper()
	s.stop()
	_ = s.stdin.Close()
	if code := <-s.done; code != 0 {
		t.Errorf("exit code %d, stderr %q", code, s.stderr.String())
	}
}

// TestPeripheral serves a peripheral on one controller of an air, and uses it from another.
func TestPeripheral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(&sim.Config{Seed: 1})
		defer air.Close()
		s := servePeripheral(t, air, gadget)
		central := func(args ...string) string {
			t.Helper()
			var stdout, stderr bytes.Buffer
			if code := runChecked(t.Context(), append([]string{"-a", "hci1"}, args...), &Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport}); code != 0 {
				t.Errorf("%q: exit code %d, %s", args, code, stderr.String())
			}
			return stdout.String()
		}
		const addr = "C0:FF:EE:00:00:07/random"
		if got := central("read", addr, "2a19"); !strings.Contains(got, "87") {
			t.Errorf("level: %s", got)
		}
		central("write", addr, "2a19", "20")
		if got := central("read", addr, "2a19"); !strings.Contains(got, "32") {
			t.Errorf("level after the write: %s", got)
		}
		s.say(t, "Level = 55")
		s.say(t, "Text=a b=c")
		s.say(t, "Txt=x")
		s.say(t, "nonsense")
		if got := central("read", addr, "2a19"); !strings.Contains(got, "55") {
			t.Errorf("level after the line: %s", got)
		}
		if got := central("read", addr, "fff1"); !strings.Contains(got, "a b=c") {
			t.Errorf("text after the line: %s", got)
		}
		s.write(t, strings.ReplaceAll(gadget, "fff1", "fff3"))
		s.hangup <- struct{}{}
		synctest.Wait()
		if got := central("read", addr, "fff3"); !strings.Contains(got, "hello") {
			t.Errorf("text after the new table: %s", got)
		}
		s.write(t, "peripherals: 3\n")
		s.hangup <- struct{}{}
		synctest.Wait()
		s.end(t)
		for _, want := range []string{
			"Gadget advertises on hci0 as C0:FF:EE:00:00:07/random; Ctrl-C ends\n", " connected\n", " wrote Level: 20\n",
			" disconnected: ", "Gadget has a new table with 3 characteristics\n",
		} {
			if !strings.Contains(s.stdout.String(), want) {
				t.Errorf("stdout has no %q:\n%s", want, s.stdout.String())
			}
		}
		want := `moor: no such characteristic as "Txt": there are Level, Text, Year` + "\n" +
			`moor: "nonsense" sets no value: write NAME=VALUE` + "\n" +
			`moor: the peripheral stays as it is: ` + s.file + `:1:14: peripherals: "3" is here, where a list belongs: begin each entry with a hyphen` + "\n"
		if got := strings.ReplaceAll(s.stderr.String(), "sim: ", ""); got != want {
			t.Errorf("stderr:\n%swant:\n%s", got, want)
		}
	})
}

// TestPeripheralJSON wants an object for each action of a central.
func TestPeripheralJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(&sim.Config{Seed: 1})
		defer air.Close()
		s := servePeripheral(t, air, gadget, "--json")
		var out bytes.Buffer
		runChecked(t.Context(), []string{"-a", "hci1", "write", "C0:FF:EE:00:00:07/random", "2a19", "20"}, &Env{Stdout: &out, Stderr: &out, Open: air.OpenTransport})
		synctest.Wait()
		runChecked(t.Context(), []string{"-a", "hci1", "notify", "C0:FF:EE:00:00:07/random", "2a19", "--duration", "1s"}, &Env{Stdout: &out, Stderr: &out, Open: air.OpenTransport})
		time.Sleep(time.Second)
		s.end(t)
		var kinds []string
		for line := range strings.Lines(s.stdout.String()) {
			var ev struct{ Event, Address, Adapter, Characteristic, Value string }
			if err := json.Unmarshal([]byte(line), &ev); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			kinds = append(kinds, strings.Join(strings.Fields(ev.Event+" "+ev.Adapter+" "+ev.Characteristic+" "+ev.Value), " "))
			if ev.Address == "" {
				t.Errorf("no address: %s", line)
			}
		}
		want := "advertising hci0, connected, written Level 20, disconnected, connected, subscribed Level, subscribed Level, disconnected"
		if got := strings.Join(kinds, ", "); got != want {
			t.Errorf("events %s\nwant %s", got, want)
		}
	})
}

func TestPeripheralMistakes(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"two.yaml": "peripherals: [{name: A}, {name: B}]\n", "none.yaml": "seed: 1\n", "bad.yaml": "peripherals: [{name: A, links: 99}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		args string
		code int
		want string
	}{
		{"two.yaml", exitUsage, "has several peripherals: name one of A, B"},
		{"two.yaml C", exitUsage, `has no peripheral "C": there are A, B`},
		{"none.yaml", exitError, "has no peripherals"},
		{"bad.yaml", exitError, "bad.yaml:1:32: peripherals[0].links: 99 centrals at a time: write 1 to 32"},
		{"missing.yaml", exitError, "no such file or directory"},
		{"two.yaml A --privacy", exitUsage, "write address: resolvable there"},
	} {
		words := strings.Fields(x.args)
		r := moor(t.Context(), append([]string{"-a", "sim:empty", "peripheral", filepath.Join(dir, words[0])}, words[1:]...)...)
		if r.code != x.code || !strings.Contains(r.stderr, x.want) {
			t.Errorf("%s: exit code %d, stderr %q, want %d, %q", x.args, r.code, r.stderr, x.code, x.want)
		}
	}
}

func TestRunShell(t *testing.T) {
	if out, err := runShell(t.Context(), "echo 1; echo 2"); out != "1\n2\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	for command, want := range map[string]string{
		"exit 3":                     "exit status 3",
		"head -c 5000 /dev/zero":     "more than 4096 octets of output",
		"cat /dev/zero | tr '\\0' a": "more than 4096 octets of output",
	} {
		if _, err := runShell(t.Context(), command); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", command, err, want)
		}
	}
}
