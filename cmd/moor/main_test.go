package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asMoor is the environment variable that makes the test binary run as moor.
const asMoor = "MOOR_TEST_AS_MOOR"

func TestMain(m *testing.M) {
	if os.Getenv(asMoor) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestSignals: a command that a signal cuts short cleans up and then dies by that
// signal. For a command that usually ends by a signal, it is a success.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name, args, ready string // the signal is sent after this output
		signal            syscall.Signal
		died              bool
		last              string // the end of its output
		nohup             bool   // SIGHUP is sent first, to no effect
	}{
		{"interrupt", "-a sim:empty -v read C0:FF:EE:00:00:0A/random 2a19", "attempt 1 on sim:empty", syscall.SIGINT, true, "moor: interrupted\n", false},
		{"terminate", "-a sim:empty -v read C0:FF:EE:00:00:0A/random 2a19", "attempt 1 on sim:empty", syscall.SIGTERM, true, "moor: interrupted\n", false},
		{"hang up", "-a sim:empty -v read C0:FF:EE:00:00:0A/random 2a19", "attempt 1 on sim:empty", syscall.SIGHUP, true, "moor: interrupted\n", false},
		{"nohup", "-a sim:empty -v read C0:FF:EE:00:00:0A/random 2a19", "attempt 1 on sim:empty", syscall.SIGTERM, true, "moor: interrupted\n", true},
		{"the usual end", "-a sim: scan", "Thermometer", syscall.SIGINT, false, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			if c.signal == syscall.SIGHUP && signal.Ignored(c.signal) {
				t.Skip("the tests run under nohup themselves")
			}
			args := append([]string{exe, "--state", "none"}, strings.Fields(c.args)...)
			if c.nohup {
				args = append([]string{"/bin/sh", "-c", `trap "" HUP; exec "$0" "$@"`}, args...)
			}
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), asMoor+"=1")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = cmd.Stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			stuck := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
			defer stuck.Stop()
			var said bytes.Buffer
			sent := false
			for s := bufio.NewScanner(io.TeeReader(out, &said)); s.Scan(); {
				if !sent && strings.Contains(s.Text(), c.ready) {
					sent = true
					if c.nohup {
						_ = cmd.Process.Signal(syscall.SIGHUP)
					}
					if err := cmd.Process.Signal(c.signal); err != nil {
						t.Error(err)
					}
				}
			}
			err = cmd.Wait()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			died := ok && status.Signaled() && status.Signal() == c.signal ||
				signal.Ignored(c.signal) && status.ExitStatus() == 128+int(c.signal)
			if died != c.died || !c.died && err != nil {
				t.Errorf("%v, want death by the signal: %t", err, c.died)
			}
			if !sent || !strings.HasSuffix(said.String(), c.last) {
				t.Errorf("it says:\n%s", said.String())
			}
		})
	}
}

// TestKnownSize: a terminal that tells only one of its sizes is believed.
func TestKnownSize(t *testing.T) {
	for in, want := range map[[2]int][2]int{{0, 0}: {80, 24}, {40, 0}: {40, 24}, {0, 50}: {80, 50}, {132, 43}: {132, 43}, {-1, -1}: {80, 24}} {
		if columns, rows := knownSize(in[0], in[1]); columns != want[0] || rows != want[1] {
			t.Errorf("%v: %d, %d; want %v", in, columns, rows, want)
		}
	}
}
