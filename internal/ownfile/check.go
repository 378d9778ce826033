package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrUntrusted means that a file or directory is not one of this user alone.
var ErrUntrusted = errors.New("not a file of this user alone")

// errReplaced means that another file has taken the name since it was looked up, as when
// another process writes. The new one may be all right.
var errReplaced = fmt.Errorf("%w: it was replaced meanwhile", ErrUntrusted)

// The modes of files and directories: nothing for other users.
const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700
)

// untrusted returns an error that wraps ErrUntrusted.
func untrusted(op, path, format string, args ...any) error {
	return &fs.PathError{Op: op, Path: path, Err: fmt.Errorf("%w: %s", ErrUntrusted, fmt.Sprintf(format, args...))}
}

// checkKind refuses an entry that is not a regular file, or not a directory if dir is
// set. The entry must be as Lstat reports it.
func checkKind(op, path string, entry fs.FileInfo, dir bool) error {
	mode := entry.Mode()
	switch {
	case mode&fs.ModeSymlink != 0:
		return untrusted(op, path, "it is a symbolic link: put the target itself in its place")
	case dir && !mode.IsDir():
		return untrusted(op, path, "it is not a directory")
	case !dir && !mode.IsRegular():
		return untrusted(op, path, "it is not a regular file")
	}
	return nil
}

// checkOpen refuses an open file that is not the entry, does not belong to the effective
// user, or has another name besides.
func checkOpen(op, path string, entry, open fs.FileInfo) error {
	if !os.SameFile(entry, open) {
		return &fs.PathError{Op: op, Path: path, Err: errReplaced}
	}
	uid, links, known := ownerOf(open)
	switch {
	case !known:
	case uid != os.Geteuid():
		return untrusted(op, path, "it belongs to the user %d, and this process runs as the user %d: "+
			"run as its owner, or change the owner with chown", uid, os.Geteuid())
	case links == 0 && !open.IsDir():
		return &fs.PathError{Op: op, Path: path, Err: errReplaced}
	case links != 1 && !open.IsDir():
		return untrusted(op, path, "it has %d names (hard links): put a copy in its place", links)
	}
	return nil
}

// checkWritable refuses an open directory in which every user can replace files. In one
// with the sticky bit, such as /tmp, they cannot.
func checkWritable(op, path string, open fs.FileInfo) error {
	if hasModes && open.Mode()&0o002 != 0 && open.Mode()&fs.ModeSticky == 0 {
		return untrusted(op, path, "every user can change it: run chmod o-w %s", path)
	}
	return nil
}

// restrictMode removes the permissions of an open file beyond mode.
func restrictMode(f *os.File, open fs.FileInfo, mode fs.FileMode) error {
	if !hasModes || open.Mode().Perm()&^mode == 0 {
		return nil
	}
	return f.Chmod(open.Mode().Perm() & mode)
}
