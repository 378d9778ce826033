//go:build kernel

package kernel

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// onNewest skips a test on the older release, to save time: it is about programs that are
// the same on both.
func onNewest(t *testing.T) {
	t.Helper()
	if suite := os.Getenv("MOOR_SUITE"); suite != "trixie" {
		t.Skipf("on trixie alone, not on %q", suite)
	}
}

// script is a Python program of /share that uses the libraries of Home Assistant.
type script struct {
	name  string
	in    io.Writer
	lines chan string // of its output; closed at its end
}

// startScript starts a script, which ends with its standard input: with the test.
func startScript(t *testing.T, name string, args ...string) *script {
	t.Helper()
	cmd := exec.Command("python3", append([]string{filepath.Join("/share", name)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH=/opt/python", "PYTHONDONTWRITEBYTECODE=1",
		"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := logFile(strings.TrimSuffix(name, ".py") + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &script{name: name, in: in, lines: make(chan string, 256)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(s.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.lines <- lines.Text()
		}
		_ = cmd.Wait() // killed, or the log has the reason
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return s
}

// line waits for the next line of the script.
func (s *script) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-s.lines:
		if !ok {
			t.Fatalf("%s has ended; its log is in the folder of logs", s.name)
		}
		return line
	case <-time.After(patience):
		diagnose(t)
		t.Fatalf("%s said nothing within %v", s.name, patience)
	}
	return ""
}

// user is a running lab.py.
type user struct{ *script }

func startUser(t *testing.T) *user {
	t.Helper()
	u := &user{startScript(t, "lab.py")}
	u.line(t) // ready
	return u
}

// try has the user carry out an order, and returns the value, or the error.
func (u *user) try(t *testing.T, order string, words ...any) (value, failure string) {
	t.Helper()
	order = strings.TrimSpace(order + " " + fmt.Sprintln(words...))
	if _, err := io.WriteString(u.in, order+"\n"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	var answer struct{ Value, Error string }
	if line := u.line(t); json.Unmarshal([]byte(line), &answer) != nil {
		t.Fatalf("%s: answer %q", order, line)
	}
	t.Logf("%s: %q %q after %v", order, answer.Value, answer.Error, time.Since(begin).Round(time.Millisecond))
	return answer.Value, answer.Error
}

// do is try for an order that succeeds.
func (u *user) do(t *testing.T, order string, words ...any) (value string) {
	t.Helper()
	value, failure := u.try(t, order, words...)
	if failure != "" {
		diagnose(t)
		t.Fatalf("%s %v: %s", order, words, failure)
	}
	return value
}
