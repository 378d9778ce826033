package connmgr

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/smp"
)

// asideSuffix ends the names of damaged files that are set aside.
const asideSuffix = ".damaged"

// stateFiles are the files of a state directory, besides bonds and attribute tables.
var stateFiles = []struct {
	name   string
	decode func(stateDir string, b []byte) error
}{
	{devicesName, func(dir string, b []byte) error { _, err := decodeDevices(dir, b); return err }},
	{traitsName, func(dir string, b []byte) error { _, err := decodeTraits(dir, b); return err }},
	{paramsName, func(dir string, b []byte) error { _, err := decodeParams(dir, b); return err }},
	{addressName, func(dir string, b []byte) error { _, err := decodeAddress(dir, b); return err }},
}

// RepairState looks for damaged files in a state directory, as after a loss of power. A
// file that can be made anew gets another name, with .damaged at its end, in place of an
// earlier one. Keys stay where they are, and so does the address of this host while there
// are bonds of it: they stop an adapter, or Open. The errors tell of all damaged files, and of each
// whether it was set aside (StateError.Aside). A directory that cannot be read has none.
// Open repairs its directory itself, and logs the errors.
func RepairState(stateDir string) []*StateError {
	var found []*StateError
	for _, f := range stateFiles {
		b, err := readState(stateDir, f.name)
		if err != nil {
			continue // whatever needs the file tells more
		}
		e, ok := errors.AsType[*StateError](f.decode(stateDir, b))
		if !ok || !isDamaged(e) {
			continue
		}
		if f.name != addressName || !hasRandomIdentity(stateDir) {
			e = setAside(stateDir, f.name, f.decode, e)
		}
		if e != nil {
			found = append(found, e)
		}
	}
	return append(found, damagedIdentities(stateDir)...)
}

// repairState repairs the state directory before it is read.
func (m *Manager) repairState() {
	if m.cfg.StateDir == "" {
		return
	}
	for _, e := range RepairState(m.cfg.StateDir) {
		if e.Aside != "" {
			m.log.Warn("damaged file set aside", "error", e)
		}
	}
}

// setAside renames a file that is damaged still once no other process changes it. It
// returns nil if the file has been replaced meanwhile, or else e with the new name; if the
// file cannot be renamed, e is as before.
func setAside(stateDir, name string, decode func(string, []byte) error, e *StateError) *StateError {
	d, err := ownfile.OpenNamed(stateDir)
	if err != nil {
		return e
	}
	defer d.Close()
	unlock, err := d.Lock(stateLockTime)
	if err != nil {
		return e
	}
	defer unlock()
	b, err := d.ReadFile(name, maxStateFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !isDamaged(decode(stateDir, b)) {
		return nil
	}
	if err != nil || d.Rename(name, name+asideSuffix) != nil {
		return e
	}
	aside := *e
	aside.Aside = filepath.Join(stateDir, name+asideSuffix)
	_, aside.Remedy, _ = strings.Cut(e.Remedy, ": ") // what goes with the file
	return &aside
}

// hasRandomIdentity reports whether there may be bonds of a host whose address is the one
// in the state directory.
func hasRandomIdentity(stateDir string) bool {
	d, err := ownfile.Open(BondDir(stateDir))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer d.Close()
	entries, err := d.Entries()
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-random") {
			return true
		}
	}
	return err != nil
}

// damagedIdentities returns an error for each identity of this host that is damaged.
func damagedIdentities(stateDir string) (found []*StateError) {
	for _, err := range smp.DamagedIdentities(BondDir(stateDir)) {
		if e, ok := errors.AsType[*StateError](bondError(stateDir, err)); ok {
			found = append(found, e)
		}
	}
	return found
}
