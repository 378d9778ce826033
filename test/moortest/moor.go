//go:build kernel || peers

// Package moortest runs the moor binary as its users do, and checks its output and its
// exit code: on a real kernel against BlueZ (test/kernel) and over TCP against Bumble
// (test/peers).
package moortest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// noCapture are the commands that refuse --snoop: they leave no packets to capture.
var noCapture = []string{"adapters", "doctor", "unpair", "stale", "cache", "bonds", "completion", "version", "slots", "lab", "help", "--help"}

const (
	// Limit bounds one command. Software emulation is slow; a command that hangs must
	// fail here, not in the harness around it.
	Limit = 5 * time.Minute
	// Soon bounds a command that waits for nothing.
	Soon = 45 * time.Second
)

// Moor is the binary with the settings of all its command lines.
type Moor struct {
	Path    string   // of the binary
	Args    []string // put before those of Run, such as --adapter hci0
	Wrapper []string // a command that runs the binary, such as unshare -n
	Dir     string   // takes a capture of each command
	State   string   // the state directory
	// Ready waits before each command until the peer has recovered from the one
	// before; nil does not wait.
	Ready func(t *testing.T)
	count *int
}

// New returns the binary that MOOR_BIN names. Its captures go to MOOR_LOGS, or else to
// a temporary directory of the test.
func New(t *testing.T, args ...string) *Moor {
	t.Helper()
	path := os.Getenv("MOOR_BIN")
	if path == "" {
		t.Fatal("MOOR_BIN does not name the moor binary: run this through make test-kernel or make test-peers")
	}
	dir := os.Getenv("MOOR_LOGS")
	if dir == "" {
		dir = t.TempDir()
	}
	return &Moor{Path: path, Args: args, Dir: dir, State: t.TempDir(), count: new(int)}
}

// With returns a copy of m with other Args.
func (m *Moor) With(args ...string) *Moor {
	c := *m
	c.Args = args
	return &c
}

// Under returns a copy of m with another Wrapper.
func (m *Moor) Under(wrapper ...string) *Moor {
	c := *m
	c.Wrapper = wrapper
	return &c
}

// Process is a running command.
type Process struct {
	Capture string // the btsnoop file that it writes
	line    string // the command line, for messages
	cmd     *exec.Cmd
	in      io.WriteCloser // its standard input
	done    chan struct{}  // closed when the command has ended and its output is read
	started time.Time

	mu             sync.Mutex
	stdout, stderr bytes.Buffer
	lines          chan string // of stdout
}

// Start starts a command. The test's cleanup kills it.
func (m *Moor) Start(t *testing.T, args ...string) *Process {
	t.Helper()
	if m.Ready != nil {
		m.Ready(t)
	}
	*m.count++
	number := *m.count
	p := &Process{
		Capture: filepath.Join(m.Dir, fmt.Sprintf("%02d-%s.btsnoop", number, strings.ReplaceAll(t.Name(), "/", "-"))),
		done:    make(chan struct{}),
		lines:   make(chan string, 4096),
		started: time.Now(),
	}
	argv := append(append([]string{}, m.Wrapper...), m.Path)
	argv = append(append(argv, m.Args...), "--state", m.State)
	if !slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(noCapture, arg) }) {
		argv = append(argv, "--snoop", p.Capture)
	}
	argv = append(argv, args...)
	p.line = strings.Join(append(append([]string{"moor"}, m.Args...), args...), " ")
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Stderr = lockedWriter{&p.mu, &p.stderr}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", p.line, err)
	}
	kill := time.AfterFunc(Limit, func() { _ = p.cmd.Process.Kill() })
	go func() {
		defer close(p.done)
		defer kill.Stop()
		defer close(p.lines)
		s := bufio.NewScanner(io.TeeReader(out, lockedWriter{&p.mu, &p.stdout}))
		for s.Scan() {
			p.lines <- s.Text()
		}
		_ = p.cmd.Wait() // the exit code is read from ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() && *m.count-number < loggedCommands {
			p.logCapture(t)
		}
	})
	return p
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// Line waits for the next line of standard output.
func (p *Process) Line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			<-p.done
			t.Fatalf("%s ended before it wrote a line, stderr: %s", p.line, p.stderr.String())
		}
		return line
	case <-time.After(Limit):
		t.Fatalf("%s wrote no line within %v", p.line, Limit)
	}
	return ""
}

// Prompted is Line, and calls prompt until there is a line. prompt makes the peer do
// what the command reports; nil if the peer does so by itself.
func (p *Process) Prompted(t *testing.T, prompt func(t *testing.T)) string {
	t.Helper()
	for prompt != nil && len(p.lines) == 0 && p.Running() {
		prompt(t)
	}
	return p.Line(t)
}

// Asks waits until standard error matches a regular expression, and returns its first
// group.
func (p *Process) Asks(t *testing.T, question string) string {
	t.Helper()
	re := regexp.MustCompile(question)
	for end := time.Now().Add(Limit); ; time.Sleep(10 * time.Millisecond) {
		over := !p.Running()
		p.mu.Lock()
		said := p.stderr.String()
		p.mu.Unlock()
		if found := re.FindStringSubmatch(said); found != nil {
			return found[1]
		}
		if over || time.Now().After(end) {
			t.Fatalf("%s did not ask %q, stderr: %s", p.line, question, said)
		}
	}
}

// Type writes a line to standard input.
func (p *Process) Type(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// Interrupt sends SIGINT, as Ctrl-C does.
func (p *Process) Interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// Running reports whether the command still runs.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits for the command's end.
func (p *Process) Wait(t *testing.T) *Result {
	t.Helper()
	for range p.lines { // those that Line did not return
	}
	<-p.done
	r := &Result{
		Line: p.line, Stdout: p.stdout.String(), Stderr: p.stderr.String(),
		Exit: p.cmd.ProcessState.ExitCode(), Took: time.Since(p.started), Capture: p.Capture,
	}
	t.Logf("%s\nexit %d after %v\n%s%s", r.Line, r.Exit, r.Took.Round(time.Millisecond), r.Stdout, r.Stderr)
	return r
}

// Result is the output and the exit code of a command.
type Result struct {
	Line           string
	Stdout, Stderr string
	Exit           int // -1 if it was killed
	Took           time.Duration
	Capture        string
}

// Run runs a command to its end.
func (m *Moor) Run(t *testing.T, args ...string) *Result {
	t.Helper()
	return m.Start(t, args...).Wait(t)
}

// OK fails the test unless the exit code is 0.
func (r *Result) OK(t *testing.T) *Result {
	t.Helper()
	if r.Exit != 0 {
		t.Fatalf("%s: exit %d, want 0; stderr: %s", r.Line, r.Exit, r.Stderr)
	}
	return r
}

// Fails fails the test unless the exit code is 1, standard error begins with an error,
// and the output contains all of words.
func (r *Result) Fails(t *testing.T, words ...string) *Result {
	t.Helper()
	return r.FailsWith(t, 1, words...)
}

// FailsWith is Fails with another exit code. The codes 3 to 7 say why a connection
// could not be established.
func (r *Result) FailsWith(t *testing.T, code int, words ...string) *Result {
	t.Helper()
	if r.Exit != code {
		t.Fatalf("%s: exit %d, want %d; stdout: %s stderr: %s", r.Line, r.Exit, code, r.Stdout, r.Stderr)
	}
	if !strings.HasPrefix(r.Stderr, "moor: ") && !strings.HasPrefix(r.Stderr, `{"error":`) {
		t.Errorf("%s: stderr %q does not begin with the error", r.Line, r.Stderr)
	}
	r.Says(t, words...)
	return r
}

// Says fails the test unless standard output and standard error together contain all
// of words, in upper or lower case.
func (r *Result) Says(t *testing.T, words ...string) *Result {
	t.Helper()
	all := strings.ToLower(r.Stdout + r.Stderr)
	for _, word := range words {
		if !strings.Contains(all, strings.ToLower(word)) {
			t.Errorf("%s: said nothing of %q; stdout: %s stderr: %s", r.Line, word, r.Stdout, r.Stderr)
		}
	}
	return r
}

// JSON decodes standard output, one object a line, or fails the test.
func JSON[T any](t *testing.T, r *Result) []T {
	t.Helper()
	var all []T
	dec := json.NewDecoder(strings.NewReader(r.Stdout))
	for {
		var v T
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: not JSON (%v): %s", r.Line, err, r.Stdout)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		t.Fatalf("%s: no output; stderr: %s", r.Line, r.Stderr)
	}
	return all
}

// One is JSON for a command that writes a single object.
func One[T any](t *testing.T, r *Result) T {
	t.Helper()
	all := JSON[T](t, r)
	if len(all) != 1 {
		t.Fatalf("%s: %d objects, want 1: %s", r.Line, len(all), r.Stdout)
	}
	return all[0]
}
