package connmgr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/moor-ble/moor/hci"
)

const (
	traitsName = "traits.json"
	// traitsVersion is the version of the file. It stays when fields or steps are added:
	// readers ignore fields that they do not know, and keep steps.
	traitsVersion = 1
)

// traitsFile is the content of traits.json in a state directory, which only its owner
// may read. The device that failed last comes first; there are at most 1024:
//
//	{"version": 1, "devices": [{
//	  "address": "C0:FF:EE:00:00:01/random",
//	  "table": "0123456789abcdef0123456789abcdef",
//	  "traits": [{"step": "mtu", "seen": "2026-11-28T12:00:00Z", "times": 2, "why": "..."}]
//	}]}
type traitsFile struct {
	Version int            `json:"version"`
	Devices []DeviceTraits `json:"devices"`
}

// KeptTraits returns the traits of all devices in a state directory, the device that
// failed last first. It returns none if no Manager has stored any yet. The error is a
// *StateError.
func KeptTraits(stateDir string) ([]DeviceTraits, error) {
	b, err := readState(stateDir, traitsName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &StateError{Dir: stateDir, Err: err}
	}
	return decodeTraits(stateDir, b)
}

// decodeTraits decodes the content of a file of traits; none if it is empty.
func decodeTraits(stateDir string, b []byte) ([]DeviceTraits, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var f traitsFile
	if err := decodeState(stateDir, traitsName, traitsVersion, b, &f, "the Manager learns again which steps devices cannot take"); err != nil {
		return nil, err
	}
	return f.Devices, nil
}

// ClearTraits removes the traits of the device with an address from a state directory,
// or those of all devices if the address is empty. It reports whether there were any.
// Programs that have a Manager call Manager.ClearCache instead.
func ClearTraits(stateDir, address string) (had bool, err error) {
	if address == "" {
		_, err = updateTraits(stateDir, func(all []DeviceTraits) []DeviceTraits { had = len(all) > 0; return nil })
		return had, err
	}
	t, err := parseTarget(address)
	if err != nil {
		return false, err
	}
	_, err = updateTraits(stateDir, func(all []DeviceTraits) []DeviceTraits {
		var rest []DeviceTraits
		for _, d := range all {
			if t.matches(d.Address) {
				had = true
			} else {
				rest = append(rest, d)
			}
		}
		return rest
	})
	return had, err
}

// updateTraits replaces the traits in a state directory and returns the new ones. It
// leaves a file of another version unchanged, and replaces one that is damaged.
func updateTraits(stateDir string, change func([]DeviceTraits) []DeviceTraits) (all []DeviceTraits, err error) {
	err = changeState(stateDir, traitsName, func(b []byte) ([]byte, error) {
		old, err := decodeTraits(stateDir, b)
		damaged := isDamaged(err)
		if err != nil && !damaged {
			return nil, err
		}
		all = change(old)
		if len(old) == 0 && len(all) == 0 && !damaged {
			return nil, nil
		}
		return json.Marshal(traitsFile{traitsVersion, all})
	})
	if _, ok := errors.AsType[*StateError](err); ok {
		return nil, err
	}
	if err != nil {
		return nil, &StateError{Dir: stateDir, Err: fmt.Errorf("traits not saved: %w", err)}
	}
	return all, nil
}

// TraitsOf returns the traits of one device; nil if all has none of it.
func TraitsOf(all []DeviceTraits, device hci.Addr) []Trait {
	for i := range all {
		if all[i].Address == device.Identity() {
			return all[i].Traits
		}
	}
	return nil
}
