package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/smp"
)

// stateDir returns the directory that commands keep state in; "" keeps none. The
// default directory is left out if it cannot be written to, and has a directory of
// its own for simulated air.
func (a *app) stateDir() string {
	dir, err := a.findStateDir()
	switch {
	case err == nil:
		return dir
	case !errors.Is(err, errStateNone) && !errors.Is(err, errNoHome):
		a.log.Info("nothing is stored", "error", err)
	}
	return ""
}

// noStateError says why there is no state directory for a command that needs one.
type noStateError struct{ why error }

func (e *noStateError) Error() string { return "there is no state directory: " + e.why.Error() }
func (e *noStateError) Unwrap() error { return e.why }

var (
	errStateNone = errors.New("\"none\" stores nothing")
	errNoHome    = errors.New("this user has no home directory")
)

// needStateDir is stateDir for a command that needs a directory to write to.
func (a *app) needStateDir() (string, error) {
	dir, err := a.findStateDir()
	if err != nil {
		return "", &noStateError{err}
	}
	return dir, nil
}

// readStateDir is needStateDir for a command that mostly reads: a directory that cannot
// be written to will do.
func (a *app) readStateDir() (string, error) {
	dir, err := a.findStateDir()
	if err == nil {
		return dir, nil
	}
	own, missing := ownfile.OpenNamed(dir)
	if missing != nil {
		return "", &noStateError{err}
	}
	own.Close()
	return dir, nil
}

// repairState sets damaged files in the state directory aside, says so, and returns the
// errors of those that have to stay; "" has none.
func (a *app) repairState(dir string) (stay []error) {
	if dir == "" {
		return nil
	}
	for _, e := range connmgr.RepairState(dir) {
		if e.Aside == "" {
			stay = append(stay, e)
		} else {
			a.printError(message(e), e.Remedy)
		}
	}
	return stay
}

// keptDir is readStateDir without the reason.
func (a *app) keptDir() string {
	dir, _ := a.readStateDir()
	return dir
}

// findStateDir returns the directory of the state, or why there is none. If the default
// directory cannot be written to, it returns both.
func (a *app) findStateDir() (string, error) {
	switch a.State {
	case "none":
		return "", errStateNone
	case "":
	default:
		return a.State, nil
	}
	dir := a.env.State
	if dir == "" {
		return "", errNoHome
	}
	if a.isSimulated() {
		dir = filepath.Join(dir, "sim", a.simulatedFile())
	}
	own, err := ownfile.MakeNamed(dir)
	if err != nil {
		return dir, err
	}
	own.Close()
	return dir, probeDir(dir)
}

// inUseText says which program uses the bonds in the state directory.
func (a *app) inUseText(e *smp.InUseError) string {
	user := "another process"
	switch {
	case e.PID != 0 && e.Program != "":
		user = fmt.Sprintf("process %d (%s)", e.PID, text.Clean(e.Program))
	case e.PID != 0:
		user = fmt.Sprintf("process %d", e.PID)
	}
	return user + " uses the state directory " + cmp.Or(a.keptDir(), e.Dir)
}

// probeDir returns an error if dir cannot be written to, or has no room.
func probeDir(dir string) error {
	probe, err := os.CreateTemp(dir, ".probe")
	if err == nil {
		_, err = probe.Write([]byte{0})
		err = errors.Join(err, probe.Close(), os.Remove(probe.Name()))
	}
	if cause, ok := errors.AsType[*os.PathError](err); ok {
		return &os.PathError{Op: "write to", Path: dir, Err: cause.Err} // the probe's name tells nothing
	}
	return err
}
