package connmgr

import (
	"errors"
	"io/fs"
	"time"

	"github.com/moor-ble/moor/internal/ownfile"
)

const (
	// maxStateFile bounds the octets of a file in a state directory.
	maxStateFile = 16 << 20
	// stateLockTime bounds the wait for another process that changes a file.
	stateLockTime = 5 * time.Second
)

// readState returns the content of a file in a state directory; fs.ErrNotExist if there is
// none yet.
func readState(stateDir, name string) ([]byte, error) {
	d, err := ownfile.OpenNamed(stateDir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadFile(name, maxStateFile)
}

// changeState replaces a file in a state directory. change gets the old content, nil if
// there is no file yet, and returns the new one; nil leaves the file as it is. No other
// process changes files of the directory meanwhile.
func changeState(stateDir, name string, change func(old []byte) ([]byte, error)) error {
	d, err := ownfile.MakeNamed(stateDir)
	if err != nil {
		return err
	}
	defer d.Close()
	unlock, err := d.Lock(stateLockTime)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.Sweep(); err != nil {
		return err
	}
	old, err := d.ReadFile(name, maxStateFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := change(old)
	if err != nil || b == nil {
		return err
	}
	return d.WriteFile(name, b)
}

// checkStateDir makes a state directory and the directory name in it, if need be, and
// checks that both belong to this user and that the second one is no link.
func checkStateDir(stateDir, name string) error {
	d, err := ownfile.MakeNamed(stateDir)
	if err != nil {
		return err
	}
	defer d.Close()
	sub, err := d.MakeSub(name)
	if err != nil {
		return err
	}
	return sub.Close()
}
