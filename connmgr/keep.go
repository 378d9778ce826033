package connmgr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

const (
	// keepEvery is how often the devices heard are written to disk.
	keepEvery = 5 * time.Minute
	// devicesVersion is the version of the file.
	devicesVersion = 1
)

// devicesFile is what the file of devices holds.
type devicesFile struct {
	Version int      `json:"version"`
	Devices []Device `json:"devices"`
}

func (m *Manager) devicesPath() string { return filepath.Join(m.cfg.StateDir, "devices.json") }

// loadDevices restores the devices heard before. A file that cannot be read is
// as good as none: what is on air will be heard again.
func (m *Manager) loadDevices() {
	if m.cfg.StateDir == "" {
		return
	}
	b, err := os.ReadFile(m.devicesPath())
	var f devicesFile
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err == nil && f.Version != devicesVersion {
		err = fmt.Errorf("version %d instead of %d", f.Version, devicesVersion)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			m.log.Warn("devices heard before not restored", "error", err)
		}
		return
	}
	m.devices.restore(f.Devices)
}

func (m *Manager) saveDevices() error {
	if m.cfg.StateDir == "" {
		return nil
	}
	b, err := json.Marshal(devicesFile{devicesVersion, m.Devices()})
	if err == nil {
		err = os.MkdirAll(m.cfg.StateDir, 0o700)
	}
	if err == nil {
		err = renameio.WriteFile(m.devicesPath(), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("connmgr: devices not saved: %w", err)
	}
	return nil
}

// keepDevices saves the devices now and then.
func (m *Manager) keepDevices() {
	for sleep(m.ctx, keepEvery) == nil {
		if err := m.saveDevices(); err != nil {
			m.log.Warn("devices not saved", "error", err)
		}
	}
}
