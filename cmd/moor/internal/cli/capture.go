package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/moor-ble/moor/internal/ownfile"
)

// capture is the file of --snoop, which takes the packets of one adapter. The
// adapter may be opened again meanwhile; only its first header is written. One
// controller's loop at a time writes to it. The first error ends it.
type capture struct {
	file    *os.File
	started bool
	err     error
}

// openCapture creates the file of --snoop, which other users cannot read. Without
// --snoop it returns nil.
func (a *app) openCapture() (*capture, error) {
	if a.Snoop == "" {
		if a.SnoopKeys {
			return nil, usagef("--snoop-keys needs a capture: add --snoop FILE")
		}
		return nil, nil
	}
	file, err := ownfile.Create(a.Snoop)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return &capture{file: file}, nil
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

// Write writes a record, with the header if it is the first.
func (c *capture) Write(b []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	skip := 0
	if c.started && strings.HasPrefix(string(b), "btsnoop\x00") {
		skip = snoopHeader
	}
	c.started = true
	n, c.err = c.file.Write(b[skip:])
	return n + skip, c.err
}
