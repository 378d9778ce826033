package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const vhciPath = "/dev/vhci"

// The packets that create an adapter behind /dev/vhci. The first octet of both is the H4
// type of a vendor's packet; the second one of the request is 0 for an adapter that Linux
// sets up. The answer ends in the index.
const (
	vhciVendor    = 0xFF
	vhciAnswerLen = 4
)

// vhciDoor makes Linux the client: each opening of the device is an adapter. It goes with
// the session.
type vhciDoor struct {
	mu     sync.Mutex // leaf; guards the rest
	client *vhciClient
	closed bool
	name   string
}

func openVHCI() (door, error) {
	d := &vhciDoor{name: vhciPath}
	f, err := openVHCIFile()
	if err != nil {
		return nil, err
	}
	return d, f.Close() // makes no adapter yet
}

func openVHCIFile() (*os.File, error) {
	f, err := os.OpenFile(vhciPath, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err == nil {
		return f, nil
	}
	e := &ListenError{Place: Place{Kind: PlaceVHCI}, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		e.Remedy = "load its module as root: modprobe hci_vhci; a kernel without it cannot have virtual adapters: attach the controller to tcp:127.0.0.1:9001 instead"
	case errors.Is(err, fs.ErrPermission):
		e.Remedy = "run it as root, or let this user have it: sudo setfacl -m u:$USER:rw " + vhciPath
	}
	return nil, e
}

func (d *vhciDoor) doorAddress() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.name
}

func (d *vhciDoor) isSingle() bool { return true }

func (d *vhciDoor) Close() error {
	d.mu.Lock()
	d.closed = true
	c := d.client
	d.client = nil
	d.mu.Unlock()
	if c != nil {
		return c.Close()
	}
	return nil
}

// makeClient makes the adapter.
func (d *vhciDoor) makeClient() error {
	f, err := openVHCIFile()
	if err != nil {
		return err
	}
	c := &vhciClient{File: f}
	if err := c.create(); err != nil {
		return errors.Join(&ListenError{Place: Place{Kind: PlaceVHCI}, Err: err}, f.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errors.Join(os.ErrClosed, f.Close())
	}
	d.client, d.name = c, fmt.Sprintf("hci%d", c.index)
	return nil
}

// awaitClient returns the adapter.
func (d *vhciDoor) awaitClient(context.Context) (io.ReadWriteCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.client
	if c == nil {
		return nil, os.ErrClosed
	}
	return c, nil
}

// vhciClient is Linux at one adapter.
type vhciClient struct {
	*os.File
	index int
	early []byte // packets that came before the answer
}

func (c *vhciClient) clientName() string { return "Linux" }

// create asks for an adapter and waits for its index. Linux may already begin to set the
// adapter up.
func (c *vhciClient) create() error {
	if _, err := c.Write([]byte{vhciVendor, 0}); err != nil {
		return fmt.Errorf("create an adapter: %w", err)
	}
	b := make([]byte, 2048)
	for {
		n, err := c.File.Read(b)
		switch {
		case err != nil:
			return fmt.Errorf("create an adapter: %w", err)
		case n == vhciAnswerLen && b[0] == vhciVendor:
			c.index = int(b[2]) | int(b[3])<<8
			return nil
		}
		c.early = append(c.early, b[:n]...)
	}
}

func (c *vhciClient) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.File.Read(b)
}
