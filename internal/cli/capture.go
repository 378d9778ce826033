package cli

import (
	"fmt"
	"os"
	"strings"
)

// withCapture runs f with the file of --snoop, nil if there is none.
func (a *app) withCapture(f func(capture *os.File) error) (err error) {
	if a.Snoop == "" {
		return f(nil)
	}
	capture, err := os.Create(a.Snoop)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	err = f(capture)
	if e := capture.Close(); err == nil && e != nil {
		err = fmt.Errorf("capture: %w", e)
	}
	return err
}

// captureWriter puts the captures of one adapter, which may be opened again
// meanwhile, into one file: only the first one keeps its header.
type captureWriter struct {
	w       *os.File
	started bool
}

// snoopHeader is how many octets a btsnoop file begins with.
const snoopHeader = 16

// Write writes a record, with the header if it is the first.
func (c *captureWriter) Write(b []byte) (int, error) {
	skip := 0
	if c.started && strings.HasPrefix(string(b), "btsnoop\x00") {
		skip = snoopHeader
	}
	c.started = true
	n, err := c.w.Write(b[skip:])
	return n + skip, err
}
