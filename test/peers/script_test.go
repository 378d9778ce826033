//go:build peers

package peers

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// startScript starts a Python script, which ends with its standard input, and
// decodes the first line of its output into ports. It calls event with each
// further line, and over after the last.
func startScript(t *testing.T, script string, ports any, event func(line []byte), over func(), args ...string) (in io.Writer) {
	t.Helper()
	python := os.Getenv("MOOR_PYTHON")
	if python == "" {
		t.Fatal("MOOR_PYTHON does not name a Python with Bumble: run this through make test-peers")
	}
	cmd := exec.Command(python, append([]string{script}, args...)...)
	if dir := os.Getenv("MOOR_LOGS"); dir != "" {
		name := strings.TrimSuffix(script, ".py") + ".log"
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
