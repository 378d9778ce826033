// Package ownsocket listens at Unix sockets that belong to the user of the process alone.
package ownsocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// Errors of Listen.
var (
	// ErrBusy means that another program listens at the path.
	ErrBusy = errors.New("another program listens there")
	// ErrNoSocket means that there is a file at the path that is no socket.
	ErrNoSocket = errors.New("there is a file that is no socket")
	// ErrLongPath means that the path has more than MaxPath octets.
	ErrLongPath = errors.New("the path is too long")
)

// MaxPath is the length in octets of the longest path of a Unix socket: the system has room
// for one more, which ends it.
const MaxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// Listen listens at a path. A socket at which nobody listens any more is replaced; one
// whose program is slow to accept is not, and fails with the error of the system.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > MaxPath {
		return nil, fmt.Errorf("%w: it has %d octets, and %d is the limit of the system", ErrLongPath, len(path), MaxPath)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, ErrNoSocket
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", path)
		switch {
		case err == nil:
			c.Close()
			return nil, ErrBusy
		case !errors.Is(err, syscall.ECONNREFUSED):
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	lc := net.ListenConfig{Control: makePrivate}
	return lc.Listen(ctx, "unix", path)
}
