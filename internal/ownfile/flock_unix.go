//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ownfile

import (
	"errors"
	"os"
	"syscall"
)

// lockFile locks an open file until it is closed, at the latest by the end of the
// process. ok is false if another process or file descriptor has the lock.
func lockFile(f *os.File) (ok bool, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) { lockErr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	switch {
	case err != nil:
		return false, err
	case errors.Is(lockErr, syscall.EWOULDBLOCK), errors.Is(lockErr, syscall.EINTR):
		return false, nil
	}
	return lockErr == nil, lockErr
}
