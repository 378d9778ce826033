package connmgr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

const (
	// keepEvery is the interval at which the devices heard are written to disk.
	keepEvery = 5 * time.Minute
	// devicesName is the name of the file in a state directory.
	devicesName = "devices.json"
	// devicesVersion is the version of the file.
	devicesVersion = 1
)

// devicesFile is the content of the file of devices.
type devicesFile struct {
	Version int      `json:"version"`
	Devices []Device `json:"devices"`
}

// KeptDevices returns the devices that a Manager has kept in a state directory, ordered
// as by Manager.Devices; none if there is no such file yet.
func KeptDevices(stateDir string) ([]Device, error) {
	b, err := readState(stateDir, devicesName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &StateError{Dir: stateDir, Err: err}
	}
	return decodeDevices(stateDir, b)
}

// decodeDevices decodes the content of a file of devices.
func decodeDevices(stateDir string, b []byte) ([]Device, error) {
	var f devicesFile
	if err := decodeState(stateDir, devicesName, devicesVersion, b, &f, "what is on air is heard again"); err != nil {
		return nil, err
	}
	sortDevices(f.Devices)
	return f.Devices, nil
}

// loadDevices restores the devices of an earlier run. A file that cannot be read counts
// as none: devices on air are heard again.
func (m *Manager) loadDevices() {
	if m.cfg.StateDir == "" {
		return
	}
	kept, err := KeptDevices(m.cfg.StateDir)
	if err != nil {
		m.log.Warn("devices heard before not restored", "error", err)
	}
	m.devices.restoreDevices(kept)
	m.devices.takeSnapshot() // restored devices need not be written
}

// saveDevices writes the devices if any has been heard since, or if there is no file
// yet. Devices that another process has written meanwhile stay.
func (m *Manager) saveDevices() error {
	if m.cfg.StateDir == "" {
		return nil
	}
	all, news := m.devices.takeSnapshot()
	err := changeState(m.cfg.StateDir, devicesName, func(old []byte) ([]byte, error) {
		if old == nil {
			return json.Marshal(devicesFile{devicesVersion, all})
		}
		kept, err := decodeDevices(m.cfg.StateDir, old)
		if !news && !isDamaged(err) {
			return nil, nil
		}
		if err != nil {
			m.log.Warn("devices heard before not kept", "error", err)
		}
		return json.Marshal(devicesFile{devicesVersion, mergeDevices(all, kept)})
	})
	if err != nil {
		return &StateError{Dir: m.cfg.StateDir, Err: fmt.Errorf("devices not saved: %w", err)}
	}
	return nil
}

// mergeDevices merges two lists; of two entries, the later one counts. If there are too
// many, those heard longest ago are left out.
func mergeDevices(a, b []Device) []Device {
	type key struct {
		mac     hci.MAC
		adapter string
	}
	latest := map[key]Device{}
	for _, d := range slices.Concat(a, b) {
		k := key{d.Addr.MAC, d.Adapter}
		if have, ok := latest[k]; !ok || d.Seen.After(have.Seen) {
			latest[k] = d
		}
	}
	all := slices.Collect(maps.Values(latest))
	slices.SortFunc(all, func(a, b Device) int { return b.Seen.Compare(a.Seen) })
	kept := map[hci.MAC]bool{}
	all = slices.DeleteFunc(all, func(d Device) bool {
		if !kept[d.Addr.MAC] && len(kept) == maxDevices {
			return true
		}
		kept[d.Addr.MAC] = true
		return false
	})
	sortDevices(all)
	return all
}

// keepState saves the devices, and tries writes again that have failed, periodically
// until the Manager is closed.
func (m *Manager) keepState() {
	for sleep(m.ctx, keepEvery) == nil {
		if err := m.saveDevices(); err != nil {
			m.log.Warn("devices not saved", "error", err)
		}
		m.writer.retryWrites()
	}
}
