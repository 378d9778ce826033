//go:build unix

package lab

import "syscall"

// makeSocketPrivate leaves a Unix socket that is about to be bound to this user alone: Linux
// gives the file the mode of the socket.
func makeSocketPrivate(network, _ string, c syscall.RawConn) error {
	if network != "unix" {
		return nil
	}
	var err error
	if e := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); e != nil {
		return e
	}
	return err
}
