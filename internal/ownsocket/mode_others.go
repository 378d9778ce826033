//go:build !unix

package ownsocket

import "syscall"

// makePrivate does nothing: the system has no modes of files.
func makePrivate(_, _ string, _ syscall.RawConn) error { return nil }
