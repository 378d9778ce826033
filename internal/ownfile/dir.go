package ownfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Dir is an open directory of this user. Names are those of its entries, without a
// separator. Any goroutine may call its methods. A Dir that is not closed closes its
// descriptor when it is no longer used.
type Dir struct {
	root *os.Root
	path string
}

// Open opens an existing directory, which must not be a link.
func Open(path string) (*Dir, error) {
	entry, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkKind("open", path, entry, true); err != nil {
		return nil, err
	}
	return openDir(path, entry)
}

// OpenNamed is Open for a path that the user has given: it may be a link.
func OpenNamed(path string) (*Dir, error) {
	entry, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return openDir(path, entry)
}

func openDir(path string, entry fs.FileInfo) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	self, err := root.Stat(".")
	if err == nil {
		err = checkOpen("open", path, entry, self)
	}
	if err == nil {
		err = checkWritable("open", path, self)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return &Dir{root: root, path: path}, nil
}

// Make is Open for a directory that is made, with its parents and for this user alone, if
// it does not exist.
func Make(path string) (*Dir, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, err
	}
	return Open(path)
}

// MakeNamed is Make for a path that the user has given: it may be a link.
func MakeNamed(path string) (*Dir, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, err
	}
	return OpenNamed(path)
}

// Sub opens a directory in d and removes the permissions of other users.
func (d *Dir) Sub(name string) (*Dir, error) {
	path := d.join(name)
	entry, err := d.root.Lstat(name)
	if err != nil {
		return nil, fullPath(err, path)
	}
	if err := checkKind("open", path, entry, true); err != nil {
		return nil, err
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, fullPath(err, path)
	}
	sub := &Dir{root: root, path: path}
	if err := sub.restrictDir(entry); err != nil {
		root.Close()
		return nil, err
	}
	return sub, nil
}

func (d *Dir) restrictDir(entry fs.FileInfo) error {
	f, err := d.root.Open(".")
	if err != nil {
		return fullPath(err, d.path)
	}
	defer f.Close()
	self, err := f.Stat()
	if err != nil {
		return err
	}
	if err := checkOpen("open", d.path, entry, self); err != nil {
		return err
	}
	return restrictMode(f, self, dirMode)
}

// MakeSub is Sub for a directory that is made if it does not exist.
func (d *Dir) MakeSub(name string) (*Dir, error) {
	if err := d.root.Mkdir(name, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fullPath(err, d.join(name))
	}
	return d.Sub(name)
}

// Close closes the descriptor. Later calls fail.
func (d *Dir) Close() error { return d.root.Close() }

// Path returns the path of the directory.
func (d *Dir) Path() string { return d.path }

func (d *Dir) join(name string) string { return filepath.Join(d.path, name) }

// fullPath puts path into an error that has the name of an entry alone.
func fullPath(err error, path string) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: path, Err: e.Err}
	}
	return err
}

// openTries is how often a file is opened that is replaced again and again. A writer
// needs far longer for each new file than a reader to open it.
const openTries = 20

// openFile opens a file of this user and removes the permissions of others.
func (d *Dir) openFile(name string, flag int) (f *os.File, err error) {
	for range openTries {
		f, err = d.openOnce(name, flag)
		if !errors.Is(err, errReplaced) {
			break
		}
	}
	return f, err
}

// openOnce is openFile, unless another file takes the name meanwhile.
func (d *Dir) openOnce(name string, flag int) (*os.File, error) {
	path := d.join(name)
	entry, err := d.root.Lstat(name)
	if err != nil {
		return nil, fullPath(err, path)
	}
	if err := checkKind("open", path, entry, false); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, flag|noFollow|noBlock, 0)
	if err != nil {
		return nil, fullPath(err, path)
	}
	open, err := f.Stat()
	if err == nil {
		err = checkKind("open", path, open, false)
	}
	if err == nil {
		err = checkOpen("open", path, entry, open)
	}
	if err == nil {
		err = restrictMode(f, open, fileMode)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile returns the content of a file of at most limit octets. The error is
// fs.ErrNotExist if there is none, and wraps ErrUntrusted if it is not a file of this
// user alone.
func (d *Dir) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := d.openFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fullPath(err, d.join(name))
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: d.join(name), Err: fmt.Errorf("it has more than %d octets", limit)}
	}
	return b, nil
}

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".new-"

// WriteFile replaces a file, or makes it. When it returns nil, the content survives a
// loss of power. If it fails, an earlier file stays as it is. An entry of another kind
// than a file, such as a link, is replaced and not followed; a directory is not replaced.
func (d *Dir) WriteFile(name string, b []byte) error {
	temp := tempPrefix + rand.Text()
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fullPath(err, d.join(name))
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = d.root.Rename(temp, name)
	}
	if err != nil {
		_ = d.root.Remove(temp) // err says more; Sweep removes what stays
		return writeError(err, d.join(name))
	}
	return d.syncDir()
}

// writeError returns the cause of err as an error about path, without the name of the
// temporary file.
func writeError(err error, path string) error {
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return &fs.PathError{Op: "write", Path: path, Err: e.Err}
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: "write", Path: path, Err: e.Err}
	}
	return err
}

// syncDir makes renames and removals durable: they are changes of the directory.
func (d *Dir) syncDir() error {
	if !hasModes {
		return nil // such a system cannot sync directories, and need not
	}
	f, err := d.root.Open(".")
	if err != nil {
		return fullPath(err, d.path)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Remove removes an entry. It returns nil if there is none.
func (d *Dir) Remove(name string) error {
	err := d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fullPath(err, d.join(name))
	}
	return d.syncDir()
}

// Rename moves an entry of d to another name in the same directory or, as
// "folder/name", in a directory in d.
func (d *Dir) Rename(from, to string) error { return d.root.Rename(from, to) }

// Lstat describes an entry, and a link as a link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	info, err := d.root.Lstat(name)
	return info, fullPath(err, d.join(name))
}

// SetUsed sets the times of a file to now.
func (d *Dir) SetUsed(name string, now time.Time) error {
	f, err := d.openFile(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.root.Chtimes(name, time.Time{}, now)
}

// Entries describes the entries of the directory in the order of their names, a link as a
// link, without the files that are being written.
func (d *Dir) Entries() ([]fs.FileInfo, error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	var all []fs.FileInfo
	for _, name := range names {
		info, err := d.root.Lstat(name)
		switch {
		case strings.HasPrefix(name, tempPrefix), errors.Is(err, fs.ErrNotExist): // the latter was removed meanwhile
		case err != nil:
			return nil, fullPath(err, d.join(name))
		default:
			all = append(all, info)
		}
	}
	return all, nil
}

// names returns the names of all entries.
func (d *Dir) names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, fullPath(err, d.path)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, fullPath(err, d.path)
}

// Sweep removes the files of writers that were killed. Must be called with the lock
// held that all writers take.
func (d *Dir) Sweep() error {
	names, err := d.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, tempPrefix) {
			if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fullPath(err, d.join(name))
			}
		}
	}
	return nil
}
