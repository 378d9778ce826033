//go:build unix

package ownfile

import (
	"io/fs"
	"syscall"
)

// hasModes reports whether files have owners and modes.
const hasModes = true

// noFollow and noBlock are flags of open: the call fails on a symbolic link, and does not
// wait for the other end of a pipe.
const (
	noFollow = syscall.O_NOFOLLOW
	noBlock  = syscall.O_NONBLOCK
)

// ownerOf returns the user that a file belongs to, and the number of its names.
func ownerOf(info fs.FileInfo) (uid int, links uint64, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), uint64(st.Nlink), true //nolint:unconvert // the type depends on the system
}
