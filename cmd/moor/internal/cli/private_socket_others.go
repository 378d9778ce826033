//go:build !unix && !minimal

package cli

import "syscall"

// makePrivate does nothing: the system has no modes of files.
func makePrivate(_, _ string, _ syscall.RawConn) error { return nil }
