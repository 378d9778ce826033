//go:build unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedFiles runs commands that wait for the other end of a named pipe, or for
// standard input, after they were interrupted.
func TestInterruptedFiles(t *testing.T) {
	for _, args := range []string{
		"--snoop PIPE scan", "--snoop PIPE demo", "--snoop PIPE read " + belt + " 2a38",
		"bonds import --file PIPE", "bonds import", "pair " + lamp + " --oob PIPE",
		"scan --key-file PIPE", "devices --duration 0 --key-file PIPE",
	} {
		t.Run(args, func(t *testing.T) {
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			stdin, typed := io.Pipe()
			t.Cleanup(func() {
				// Both ends release the goroutine that waits for one; a goroutine that
				// has not begun to wait finds a link that leads nowhere.
				both, err := os.OpenFile(pipe, os.O_RDWR, 0)
				link := pipe + ".link"
				if err := errors.Join(err, os.Symlink("nowhere", link), os.Rename(link, pipe), both.Close(), typed.Close()); err != nil {
					t.Error(err)
				}
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errStopped)
			var stdout, stderr bytes.Buffer
			ended := make(chan int)
			go func() {
				words := strings.Fields(strings.ReplaceAll(args, "PIPE", pipe))
				ended <- runChecked(ctx, append([]string{"-a", "sim:", "--state", t.TempDir()}, words...),
					&Env{Stdin: stdin, Stdout: &stdout, Stderr: &stderr})
			}()
			select {
			case code := <-ended:
				if code != 1 || stdout.Len() != 0 || stderr.String() != "moor: interrupted\n" {
					t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it does not end")
			}
		})
	}
}

// stuckWriter is a pipe that nobody reads: the first write begins and does not end.
type stuckWriter struct {
	begun, free chan struct{}
	once        sync.Once
}

func (w *stuckWriter) Write(b []byte) (int, error) {
	w.once.Do(func() { close(w.begun) })
	<-w.free
	return len(b), nil
}

// TestInterruptedOutput interrupts commands while a write of their output does not end.
func TestInterruptedOutput(t *testing.T) {
	for _, c := range []struct {
		args   string
		errors bool // standard error is stuck, not standard output
	}{
		{"scan --duration 0", false},
		{"services " + belt, false},
		{"-vvv read " + belt + " 2a38", true},
	} {
		inAir(t, c.args, func(t *testing.T) {
			w := &stuckWriter{begun: make(chan struct{}), free: make(chan struct{})}
			defer close(w.free)
			ctx, cancel := context.WithCancelCause(t.Context())
			var other bytes.Buffer
			env := &Env{Stdout: w, Stderr: &other}
			if c.errors {
				env.Stdout, env.Stderr = &other, w
			}
			ended := make(chan int, 1)
			go func() { ended <- runChecked(ctx, append([]string{"-a", "sim:"}, strings.Fields(c.args)...), env) }()
			<-w.begun
			time.Sleep(time.Minute)
			stopped := time.Now()
			cancel(errStopped)
			select {
			case code := <-ended:
				if took := time.Since(stopped); code != 1 || took > 5*time.Second {
					t.Errorf("exit code %d after %v", code, took)
				}
			case <-time.After(time.Hour):
				t.Fatal("it does not end")
			}
		})
	}
}
