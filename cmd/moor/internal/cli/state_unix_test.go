//go:build unix

package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moor-ble/moor/internal/filetest"
	"github.com/moor-ble/moor/smp"
)

// TestDefaultStateOnFullDisk: a default state directory without room is left out, as one
// that cannot be written to.
func TestDefaultStateOnFullDisk(t *testing.T) {
	disk := filetest.SmallDisk(t)
	state := filepath.Join(disk, "moor")
	if err := os.MkdirAll(filepath.Join(state, "sim"), 0o700); err != nil {
		t.Fatal(err)
	}
	filetest.Fill(t, disk)
	inAir(t, "read", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		code := runChecked(t.Context(), []string{"-a", "sim:", "read", belt, "2a38"}, &Env{Stdout: &stdout, Stderr: &stderr, State: state})
		result{code, stdout.String(), stderr.String(), 0}.want(t, 0, "01  chest\n", "")
		stderr.Reset()
		code = runChecked(t.Context(), []string{"-a", "sim:", "pair", lamp}, &Env{Stdout: &stdout, Stderr: &stderr, State: state})
		if want := "moor: there is no state directory: write to " + state + "/sim: no space left on device\n      name one with --state DIR\n"; code != 1 || stderr.String() != want {
			t.Errorf("exit code %d, stderr %q, want %q", code, stderr.String(), want)
		}
	})
	for _, args := range []string{"bonds", "cache list", "devices --duration 0"} { // they read
		var stdout, stderr bytes.Buffer
		code := runChecked(t.Context(), append([]string{"-a", "sim:"}, strings.Fields(args)...), &Env{Stdout: &stdout, Stderr: &stderr, State: state})
		if args != "cache list" && (code != 0 || stderr.Len() != 0) {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr.String())
		}
	}
}

// TestFullDisk runs commands with a state directory on a full disk: they do their work,
// and say which part of it is not stored.
func TestFullDisk(t *testing.T) {
	disk := filetest.SmallDisk(t)
	state := filepath.Join(disk, "moor")
	inAir(t, "room", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--state", state, "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
	filetest.Fill(t, disk)
	inAir(t, "pair", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--state", state, "pair", lamp, "--just-works").want(t, 1, "",
			"moor: C0:FF:EE:00:00:03: paired, but the bond is not stored: write "+state+"/bonds/004F52000000-public/C0FFEE000003-random.json: no space left on device\n"+
				"      make room on the disk, or give access to the state directory: the device has to pair again\n")
	})
	const full = "      make room on the disk, or name a directory elsewhere with --state DIR, or --state none to keep nothing\n"
	for _, args := range []string{"why " + belt, "devices", "scan --duration 1s"} {
		inAir(t, args, func(t *testing.T) {
			r := moor(t.Context(), append([]string{"-a", "sim:", "--state", state}, strings.Fields(args)...)...)
			want := "moor: state directory " + state + ": devices not saved: write " + state + "/devices.json: no space left on device\n" + full
			if r.code != 0 || r.stdout == "" || r.stderr != want {
				t.Errorf("exit code %d, stdout %q, stderr %q, want 0 and %q", r.code, r.stdout, r.stderr, want)
			}
		})
	}
}

// TestBondsInUse has another process use the bonds.
func TestBondsInUse(t *testing.T) {
	state := t.TempDir()
	inAir(t, "in use", func(t *testing.T) {
		if r := moor(t.Context(), "-a", "sim:", "--state", state, "pair", lamp); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
		stores, err := filepath.Glob(filepath.Join(state, "bonds", "*"))
		if err != nil || len(stores) != 1 {
			t.Fatal(stores, err)
		}
		identity, err := smp.FileStores(filepath.Join(state, "bonds"))
		if err != nil {
			t.Fatal(err)
		}
		other, err := smp.OpenFileStore(filepath.Join(state, "bonds"), smp.Local{Addr: identity[0].Identity().Addr, Binding: "manufacturer 0x0000"})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		for _, args := range [][]string{{"unpair", lamp}, {"read", lamp, "2a00"}} {
			r := moor(t.Context(), append([]string{"-a", "sim:", "--state", state}, args...)...)
			r.want(t, 1, "", fmt.Sprintf("moor: process %d (cli.test) uses the state directory %s\n      end it, or name another directory with --state DIR\n", os.Getpid(), state))
		}
	})
}

// TestCaptureSaysWhatItWaitsFor waits for the reader of a named pipe.
func TestCaptureSaysWhatItWaitsFor(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out printed
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runChecked(ctx, []string{"-a", "sim:", "--snoop", pipe, "scan"}, &Env{Stdout: &out.stdout, Stderr: &out.stderr, Terminal: func() (int, int) { return 80, 24 }})
	}()
	for deadline := time.Now().Add(20 * time.Second); out.stderr.String() == "" && time.Now().Before(deadline); {
		<-time.After(10 * time.Millisecond)
	}
	if got, want := out.stderr.String(), "waiting for a program that reads "+pipe+"\n"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
	cancel()
	<-ended
	both, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	both.Close()
}
