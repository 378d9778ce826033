package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ptyDoor is a pseudo terminal. A client comes with its first octet and goes when it
// closes the terminal.
type ptyDoor struct {
	f      *os.File // the side that stands for the controller
	path   string   // of the side that stands for the UART
	closed atomic.Bool
}

func openPTY() (door, error) {
	fail := func(err error) (door, error) {
		e := &ListenError{Place: Place{Kind: PlacePTY}, Err: err, Remedy: "mount devpts at /dev/pts"}
		if errors.Is(err, fs.ErrPermission) {
			e.Remedy = "get permission to read and write /dev/ptmx"
		}
		return nil, e
	}
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return fail(err)
	}
	rc, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return fail(err)
	}
	var n int
	var set error
	if err := rc.Control(func(fd uintptr) { n, set = setUpPTY(int(fd)) }); err != nil || set != nil {
		f.Close()
		return fail(errors.Join(err, set))
	}
	return &ptyDoor{f: f, path: fmt.Sprintf("/dev/pts/%d", n)}, nil
}

// setUpPTY unlocks the other side and makes it raw: an echo would go back to the client.
func setUpPTY(fd int) (number int, err error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return 0, err
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return 0, err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CREAD | unix.CLOCAL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return 0, err
	}
	return unix.IoctlGetInt(fd, unix.TIOCGPTN)
}

func (d *ptyDoor) doorAddress() string { return d.path }
func (d *ptyDoor) isSingle() bool      { return true }

func (d *ptyDoor) Close() error {
	d.closed.Store(true)
	return d.f.Close()
}

// awaitClient waits for the first octet of a client.
func (d *ptyDoor) awaitClient(ctx context.Context) (io.ReadWriteCloser, error) {
	b := make([]byte, 1)
	for {
		if err := d.f.SetDeadline(time.Time{}); err != nil {
			return nil, err
		}
		n, err := d.f.Read(b)
		switch {
		case n > 0:
			return &ptyClient{door: d, first: b[:n]}, nil
		case errors.Is(err, syscall.EIO): // nobody has the other side open
		case err != nil:
			return nil, err
		}
		select {
		case <-time.After(retryTime):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ptyClient is a client of a pseudo terminal. Close leaves the terminal open.
type ptyClient struct {
	door  *ptyDoor
	first []byte // the octets that awaitClient has read
}

func (c *ptyClient) clientName() string { return "" }

func (c *ptyClient) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	n, err := c.door.f.Read(b)
	switch {
	case errors.Is(err, syscall.EIO):
		err = io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded): // see Close
		err = os.ErrClosed
	}
	return n, err
}

func (c *ptyClient) Write(b []byte) (int, error) { return c.door.f.Write(b) }

func (c *ptyClient) SetWriteDeadline(t time.Time) error { return c.door.f.SetWriteDeadline(t) }

// Close unblocks Read and Write; awaitClient takes the deadline away again. The octets that
// are left in both directions are dropped: the next client would take them for its own.
func (c *ptyClient) Close() error {
	if c.door.closed.Load() {
		return nil
	}
	if err := c.door.f.SetDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	return c.door.dropRemains()
}

// dropRemains drops the octets that neither side has read. Each side drops its input alone.
func (d *ptyDoor) dropRemains() error {
	rc, err := d.f.SyscallConn()
	if err != nil {
		return err
	}
	var flushed error
	if err := rc.Control(func(fd uintptr) { flushed = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIOFLUSH) }); err != nil {
		return err
	}
	other, err := os.OpenFile(d.path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return errors.Join(flushed, err)
	}
	flushed = errors.Join(flushed, unix.IoctlSetInt(int(other.Fd()), unix.TCFLSH, unix.TCIOFLUSH))
	return errors.Join(flushed, other.Close())
}
