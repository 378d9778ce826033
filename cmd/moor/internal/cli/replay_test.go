package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/replay"
)

// captures is the directory of the captures of this project.
const captures = "../../../../testdata/btsnoop"

// TestReplay runs the command line of each capture again, with the capture in place of its
// controller. The program must write the same output. It may leave out no packet of the
// capture, and send no other; their order, and how often a command is sent, may differ. With
// -update, the simulated captures are made again.
func TestReplay(t *testing.T) {
	for _, c := range replay.Captures() {
		file := filepath.Join(captures, c.Name)
		if *update && strings.HasPrefix(c.Made, "sim:") {
			inAir(t, "make "+c.Name, func(t *testing.T) { makeCapture(t, c, file) })
		}
		inAir(t, c.Name, func(t *testing.T) {
			want, err := os.ReadFile(file + ".out")
			if err != nil {
				t.Fatal(err)
			}
			ctl := loadCapture(t, file+".btsnoop")
			if got := captureOutput(t.Context(), c.Args(), openOnce(ctl)); got != sinceStart.ReplaceAllString(string(want), "") {
				t.Errorf("output:\n%swant:\n%s", got, want)
			}
			if n := ctl.Unexpected(); len(n) > 0 {
				t.Errorf("packets that the capture does not have:\n%s", strings.Join(n, "\n"))
			}
			if n := ctl.Left(); len(n) > 0 {
				t.Errorf("packets of the capture that were not sent:\n%s", strings.Join(n, "\n"))
			}
		})
	}
}

func loadCapture(t *testing.T, file string) *replay.Controller {
	t.Helper()
	records, err := replay.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return replay.New(records)
}

// openOnce returns a function that opens ctl, once: a capture has one start.
func openOnce(ctl *replay.Controller) func(context.Context, string) (hci.Transport, error) {
	opened := false
	return func(context.Context, string) (hci.Transport, error) {
		if opened {
			return nil, errors.New("the capture has been played")
		}
		opened = true
		return ctl, nil
	}
}

// sinceStart matches the time of a report since the start of the program, in which a
// capture begins later.
var sinceStart = regexp.MustCompile(`(?m)^\+[0-9.]+s +`)

// captureOutput runs a command line on an adapter, and returns what a terminal would show:
// both outputs, and the exit code.
func captureOutput(ctx context.Context, args []string, open func(context.Context, string) (hci.Transport, error)) string {
	var out, errs bytes.Buffer
	adapter := "tcp:127.0.0.1:1"
	if open == nil {
		adapter, args = args[0], args[1:]
	}
	code := Run(ctx, append([]string{"--adapter", adapter}, args...), &Env{Stdout: &out, Stderr: &errs, Open: open})
	return sinceStart.ReplaceAllString(fmt.Sprintf("%s%sexit code %d\n", out.String(), errs.String(), code), "")
}

// makeCapture makes a simulated capture, and keeps the output beside it.
func makeCapture(t *testing.T, c replay.Capture, file string) {
	t.Helper()
	args := append([]string{c.Made, "--snoop", file + ".btsnoop"}, c.Args()...)
	if err := os.WriteFile(file+".out", []byte(captureOutput(t.Context(), args, nil)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file+".btsnoop", 0o644); err != nil {
		t.Fatal(err)
	}
}
