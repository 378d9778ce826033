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
