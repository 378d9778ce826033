package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/moor-ble/moor/internal/ownfile"
)

// capture is the file of --snoop, which takes the packets of one adapter. The
// adapter may be opened again meanwhile; only its first header is written. One
// controller's loop at a time writes to it. The first error ends it.
type capture struct {
	file    *os.File
	w       io.Writer // to file
	started bool
	err     error
}

// captureName is the file of --snoop.
type captureName string

// UnmarshalText takes the name of a file other than those of a terminal or a pipeline.
func (c *captureName) UnmarshalText(b []byte) error {
	switch name := string(b); name {
	case "":
		return fmt.Errorf("there is no file in %q: write one, such as moor.btsnoop, or leave the flag out", name)
	case "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0":
		return fmt.Errorf("%q is the input: name a file", name)
	case "-", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2":
		return fmt.Errorf("%q is where results and errors go: name a file, or a named pipe for a program that reads along", name)
	}
	*c = captureName(b)
	return nil
}

// createCapture creates a file, or opens an inherited descriptor, as which a shell passes
// the input of another program: --snoop >(program).
func createCapture(name string) (*os.File, error) {
	number, ok := strings.CutPrefix(name, "/dev/fd/")
	if !ok {
		number, ok = strings.CutPrefix(name, "/proc/self/fd/")
	}
	fd, err := strconv.ParseUint(number, 10, 31)
	if !ok || err != nil {
		if err := checkReplaces(name, "capture", isSnoop); err != nil {
			return nil, err
		}
		return ownfile.Create(name)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Stat(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EBADF}
	}
	return f, nil
}

// openCapture opens the capture of --snoop. Without --snoop it returns nil.
func (a *app) openCapture(ctx context.Context) (*capture, error) {
	if a.Snoop == "" {
		if a.SnoopKeys {
			return nil, usagef("--snoop-keys needs a capture: add --snoop FILE")
		}
		return nil, nil
	}
	return a.openCaptureFile(ctx, a.Snoop)
}

// openCaptureFile creates the file of a capture, which other users cannot read.
func (a *app) openCaptureFile(ctx context.Context, name string) (*capture, error) {
	shown := callLater(func() { a.note("waiting for a program that reads %s", name) })
	file, err := runInterruptible(ctx, func() (*os.File, error) { return createCapture(name) })
	shown()
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return &capture{file: file, w: &interruptibleWriter{ctx: ctx, w: file}}, nil
}

// closeCapture closes the file and returns the error of the command: err, or else
// that of the capture. If there are both, it shows that of the capture itself.
func (a *app) closeCapture(c *capture, err error) error {
	if c == nil {
		return err
	}
	c.err = cmp.Or(c.err, c.file.Close())
	if c.err == nil {
		return err
	}
	failed := fmt.Errorf("capture: %w", c.err)
	if err == nil {
		return failed
	}
	a.printError(failed.Error(), "")
	return err
}

// writer returns where a controller writes its packets; nil, which captures
// nothing, without --snoop.
func (c *capture) writer() io.Writer {
	if c == nil {
		return nil
	}
	return c
}

// snoopHeader is how many octets a btsnoop file begins with.
const snoopHeader = 16

// isSnoop reports whether b begins as a btsnoop file does.
func isSnoop(b []byte) bool { return bytes.HasPrefix(b, []byte("btsnoop\x00")) }

// Write writes a record, with the header if it is the first.
func (c *capture) Write(b []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	skip := 0
	if c.started && isSnoop(b) {
		skip = snoopHeader
	}
	c.started = true
	n, c.err = c.w.Write(b[skip:])
	return n + skip, c.err
}
