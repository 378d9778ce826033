//go:build unix

package ownsocket

import "syscall"

// makePrivate leaves a Unix socket that is about to be bound to this user alone: Linux
// gives the file the mode of the socket.
func makePrivate(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); e != nil {
		return e
	}
	return err
}
