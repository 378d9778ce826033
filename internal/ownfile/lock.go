package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// lockName is the name of the file whose lock is the lock of a directory.
const lockName = "lock"

// ErrLocked means that another process has the lock of a directory.
var ErrLocked = errors.New("another process holds the lock")

// LockedError names the process that has the lock of a directory. It unwraps to
// ErrLocked.
type LockedError struct {
	PID     int    // 0 if it is not known
	Program string // "" if it is not known
}

func (e *LockedError) Error() string {
	switch {
	case e.PID == 0:
		return ErrLocked.Error()
	case e.Program == "":
		return fmt.Sprintf("process %d holds the lock", e.PID)
	}
	return fmt.Sprintf("process %d (%s) holds the lock", e.PID, e.Program)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// TryLock takes the lock of the directory. The error is a *LockedError if another Dir of
// this or another process has it. The lock ends with unlock, or with the process.
func (d *Dir) TryLock() (unlock func(), err error) {
	f, err := d.openLock()
	if err != nil {
		return nil, err
	}
	if ok, err := lockFile(f); !ok || err != nil {
		if err == nil {
			err = lockHolder(f)
		}
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: d.path, Err: err}
	}
	return func() { f.Close() }, nil // closing the file releases its lock
}

func (d *Dir) openLock() (*os.File, error) {
	f, err := d.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return d.openFile(lockName, os.O_RDWR)
	}
	return f, fullPath(err, d.join(lockName))
}

// Lock is TryLock with a bound on the wait for the lock.
func (d *Dir) Lock(limit time.Duration) (unlock func(), err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		unlock, err := d.TryLock()
		if !errors.Is(err, ErrLocked) {
			return unlock, err
		}
		select {
		case <-timer.C:
			return nil, fmt.Errorf("%w for more than %v: end that process, or use another directory", err, limit)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
