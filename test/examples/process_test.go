package examples

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds each wait for a program. None of them takes a tenth of it.
const patience = 60 * time.Second

// process is a program that runs.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // of stdout; closed at its end
	stderr *output
	done   chan struct{} // closed once the program has ended
}

// output collects what a program writes. Any goroutine may use it.
type output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{} // closed and replaced when more is there
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// wait waits until the output matches.
func (o *output) wait(t *testing.T, match *regexp.Regexp) []string {
	t.Helper()
	for late := time.Now().Add(patience); ; {
		o.mu.Lock()
		m, changed := match.FindStringSubmatch(o.b.String()), o.changed
		o.mu.Unlock()
		if m != nil {
			return m
		}
		select {
		case <-changed:
		case <-time.After(time.Until(late)):
			t.Fatalf("the output does not match %v: %v", match, o)
		}
	}
}

// start starts a program in the root of the repository. It ends with the test at the
// latest.
func start(t *testing.T, argv ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan string, 1000), stderr: &output{changed: make(chan struct{})}, done: make(chan struct{})}
	p.cmd.Dir = root
	p.cmd.Stderr = p.stderr
	p.cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir(), "XDG_STATE_HOME="+t.TempDir())
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.lines { // the reader must not wait for a place
		}
		<-p.done
	})
	return p
}

// want waits for a line that matches, and returns it.
func (p *process) want(pattern string) []string {
	p.t.Helper()
	match := regexp.MustCompile(pattern)
	late := time.After(patience)
	var others []string
	for {
		select {
		case line, ok := <-p.lines:
			if m := match.FindStringSubmatch(line); ok && m != nil {
				return m
			}
			if !ok {
				p.t.Fatalf("%v ended without a line %q:\n%s\n%v", p.cmd.Args, pattern, strings.Join(others, "\n"), p.stderr)
			}
			others = append(others, line)
		case <-late:
			p.t.Fatalf("%v writes no line %q:\n%s\n%v", p.cmd.Args, pattern, strings.Join(others, "\n"), p.stderr)
		}
	}
}

// wantEnd waits for the end of the program and its exit code.
func (p *process) wantEnd(code int) {
	p.t.Helper()
	late := time.After(patience)
	for {
		select {
		case _, ok := <-p.lines:
			if ok {
				continue
			}
			select {
			case <-p.done:
				if got := p.cmd.ProcessState.ExitCode(); got != code {
					p.t.Errorf("%v: exit code %d, want %d: %v", p.cmd.Args, got, code, p.stderr)
				}
			case <-late:
				p.t.Fatalf("%v does not end", p.cmd.Args)
			}
			return
		case <-late:
			p.t.Fatalf("%v does not end", p.cmd.Args)
		}
	}
}

// interrupt sends Ctrl-C, after which the program ends without an error.
func (p *process) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	p.wantEnd(0)
}

// send writes to the program's standard input.
func (p *process) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		p.t.Fatal(err)
	}
}
