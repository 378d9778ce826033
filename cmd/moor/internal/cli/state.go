package cli

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/moor-ble/moor/internal/ownfile"
)

// stateDir returns the directory that commands keep state in; "" keeps none. The
// default directory is left out if it cannot be written to, and has a directory of
// its own for simulated air.
func (a *app) stateDir() string {
	switch a.State {
	case "none":
		return ""
	case "":
	default:
		return a.State
	}
	dir := a.env.State
	if dir == "" {
		return ""
	}
	if a.isSimulated() {
		dir = filepath.Join(dir, "sim")
	}
	own, err := ownfile.MakeNamed(dir)
	if err == nil {
		own.Close()
		var probe *os.File
		if probe, err = os.CreateTemp(dir, ".probe"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		a.log.Info("nothing is stored", "error", err)
		return ""
	}
	return dir
}
