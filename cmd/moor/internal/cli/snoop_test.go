//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestSnoopWithoutCapture gives --snoop to commands that capture nothing.
func TestSnoopWithoutCapture(t *testing.T) {
	file := t.TempDir() + "/capture"
	for _, args := range []string{
		"adapters", "doctor", "unpair " + belt, "stale " + belt, "cache list", "bonds", "completion bash", "version",
	} {
		for _, flags := range [][]string{{"--snoop", file}, {"--snoop-keys"}} {
			r := moor(t.Context(), append(append(flags, "-a", "sim:"), strings.Fields(args)...)...)
			name, _, _ := strings.Cut(args, " ")
			r.want(t, 2, "", "moor: --snoop: "+name+" leaves no packets to capture; scan, read and the other commands on air do\n      see moor "+name+" --help\n")
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a capture")
	}
}

// TestSnoopNames gives names to --snoop that are none of a file for a capture alone.
func TestSnoopNames(t *testing.T) {
	t.Chdir(t.TempDir())
	const results = " is where results and errors go: name a file, or a named pipe for a program that reads along"
	for name, want := range map[string]string{
		"":                `there is no file in "": write one, such as moor.btsnoop, or leave the flag out`,
		"-":               `"-"` + results,
		"/dev/stdout":     `"/dev/stdout"` + results,
		"/dev/stderr":     `"/dev/stderr"` + results,
		"/dev/fd/1":       `"/dev/fd/1"` + results,
		"/proc/self/fd/2": `"/proc/self/fd/2"` + results,
		"/dev/stdin":      `"/dev/stdin" is the input: name a file`,
	} {
		r := moor(t.Context(), "-a", "sim:", "--snoop", name, "scan")
		r.want(t, 2, "", "moor: --snoop: "+want+"\n      see moor --help\n")
	}
	r := moor(t.Context(), "-a", "sim:", "--snoop", "/dev/fd/1000", "scan")
	r.want(t, 1, "", "moor: capture: open /dev/fd/1000: bad file descriptor\n")
}

// TestSnoopDescriptor captures to an inherited descriptor, as the process substitution of
// a shell names one.
func TestSnoopDescriptor(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte)
	go func() {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r)
		got <- b.Bytes()
	}()
	// The command closes the descriptor: it gets one of its own.
	name := fmt.Sprintf("/dev/fd/%d", duplicate(t, w))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	inAir(t, "read", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--snoop", name, "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
	if b := <-got; len(b) < 1000 || string(b[:8]) != "btsnoop\x00" {
		t.Errorf("the capture has %d octets", len(b))
	}
}

func duplicate(t *testing.T, f *os.File) int {
	t.Helper()
	n, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
