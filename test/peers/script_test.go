//go:build peers

package peers

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// startScript starts a script of Python, or of Node.js, which ends with its standard input,
// and decodes the first line of its output into ports. It calls event with each
// further line, and over after the last.
func startScript(t *testing.T, script string, ports any, event func(line []byte), over func(), args ...string) (in io.Writer) {
	t.Helper()
	kind := strings.TrimPrefix(filepath.Ext(script), ".")
	program := os.Getenv(map[string]string{"py": "MOOR_PYTHON", "js": "MOOR_NODE"}[kind])
	if program == "" {
		t.Fatalf("nothing runs %s: run this through make test-peers", script)
	}
	cmd := exec.Command(program, append([]string{script}, args...)...)
	if dir := os.Getenv("MOOR_LOGS"); dir != "" {
		name := strings.TrimSuffix(script, "."+kind) + ".log"
		log, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stderr = log
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	t.Cleanup(func() {
		stdin.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", script, err)
		}
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), ports) != nil {
		close(read)
		t.Fatalf("%s did not report its ports but %q", script, lines.Text())
	}
	go func() {
		defer close(read)
		defer over()
		for lines.Scan() {
			event(lines.Bytes())
		}
	}()
	return stdin
}

// wantSteps runs a script of a client, and compares the lines of its output.
func wantSteps(t *testing.T, script string, want []string, args ...string) {
	t.Helper()
	lines := make(chan string, 64)
	var ready struct{ Step string }
	startScript(t, script, &ready, func(line []byte) { lines <- string(line) }, func() { close(lines) }, args...)
	var got []string
	limit := time.After(2 * time.Minute)
	for len(got) < len(want) {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the client ended after %q", got)
			}
			if got = append(got, line); strings.Contains(line, `"error","text"`) {
				t.Fatalf("%q", got)
			}
		case <-limit:
			t.Fatalf("the client is stuck after %q", got)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
