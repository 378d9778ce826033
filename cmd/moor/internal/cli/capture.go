package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// withCapture runs f with a writer to the file of --snoop, nil if there is none.
// That a capture failed is an error of the command, told even if that has
// another one.
func (a *app) withCapture(f func(capture io.Writer) error) (err error) {
	if a.Snoop == "" {
		return f(nil)
	}
	file, err := os.Create(a.Snoop)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	w := &captureWriter{w: file}
	err = f(w)
	if e := file.Close(); w.err == nil {
		w.err = e
	}
	if w.err == nil {
		return err
	}
	failed := fmt.Errorf("capture: %w", w.err)
	if err == nil {
		return failed
	}
	a.complain(failed.Error(), "")
	return err
}

// captureWriter puts the captures of one adapter, which may be opened again
// meanwhile, into one file: only the first one keeps its header. It is written
// by one loop at a time, and ends with the first error.
type captureWriter struct {
	w       io.Writer
	started bool
	err     error
}

// snoopHeader is how many octets a btsnoop file begins with.
const snoopHeader = 16

// Write writes a record, with the header if it is the first.
func (c *captureWriter) Write(b []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	skip := 0
	if c.started && strings.HasPrefix(string(b), "btsnoop\x00") {
		skip = snoopHeader
	}
	c.started = true
	n, c.err = c.w.Write(b[skip:])
	return n + skip, c.err
}
