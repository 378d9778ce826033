package ownfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Create opens a file for output, for this user alone, and empties it if it exists. A
// device or a named pipe is opened as it is, if it belongs to this user or to the system.
// The directory may be anybody's.
func Create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	entry, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if entry.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0 {
		return openDevice(path, entry)
	}
	if err := checkKind("create", path, entry, false); err != nil {
		return nil, err
	}
	f, err = os.OpenFile(path, os.O_WRONLY|noFollow|noBlock, 0)
	if err != nil {
		return nil, err
	}
	open, err := f.Stat()
	if err == nil {
		err = checkKind("create", path, open, false)
	}
	if err == nil {
		err = checkOpen("create", path, entry, open)
	}
	if err == nil {
		err = restrictMode(f, open, fileMode)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openDevice opens a device or a named pipe. The writer of a pipe waits for its reader.
func openDevice(path string, entry fs.FileInfo) (*os.File, error) {
	if uid, _, known := ownerOf(entry); known && uid != os.Geteuid() && uid != 0 {
		return nil, untrusted("create", path, "it belongs to the user %d", uid)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	open, err := f.Stat()
	if err == nil && !os.SameFile(entry, open) {
		err = untrusted("create", path, "it was replaced meanwhile")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Replace writes a file for this user alone, as Dir.WriteFile does. The directory may be
// anybody's. An entry that is not a regular file is not replaced.
func Replace(path string, b []byte) error {
	if entry, err := os.Lstat(path); err == nil {
		if err := checkKind("write", path, entry, false); err != nil {
			return err
		}
	}
	dir := filepath.Dir(path)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return writeError(err, path)
	}
	defer root.Close()
	return (&Dir{root: root, path: dir}).WriteFile(filepath.Base(path), b)
}
