package connmgr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
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

// errDamaged means that a file has a content that nothing has written, as after a loss of
// power on a disk that does not keep its promises. A file of another version is not
// damaged.
var errDamaged = errors.New("the file is damaged")

// isDamaged reports whether the error of decoding a file means that the file is damaged.
func isDamaged(err error) bool { return errors.Is(err, errDamaged) }

// decodeState decodes the content of a JSON file in a state directory into v. loss says
// which knowledge goes with the file.
func decodeState(stateDir, name string, version int, b []byte, v any, loss string) error {
	var f struct {
		Version *int `json:"version"`
	}
	err := json.Unmarshal(b, &f)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	switch other := f.Version != nil && *f.Version != version; {
	case other:
		err = fmt.Errorf("version %d instead of %d", *f.Version, version)
	case err == nil && f.Version != nil:
		return nil
	case json.Valid(b):
		err = errDamaged // a decoder's error names types of Go
	default:
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return fileError(stateDir, name, err, "remove "+filepath.Join(stateDir, name)+": "+loss)
}

// fileError returns the error of a file in a state directory.
func fileError(stateDir, name string, err error, remedy string) *StateError {
	return &StateError{Dir: stateDir, Err: fmt.Errorf("%s: %w", name, err), Remedy: remedy}
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
