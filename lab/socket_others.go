//go:build !unix

package lab

import "syscall"

// makeSocketPrivate does nothing: the system has no modes of files.
func makeSocketPrivate(_, _ string, _ syscall.RawConn) error { return nil }
