package connmgr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// addressName is the name of the file of the static address in a state directory.
const addressName = "address"

// loadStaticAddress returns the address for controllers that have none of their own. It
// is made once and kept, because bonds depend on it.
func loadStaticAddress(stateDir string) (hci.MAC, error) {
	fresh := controller.NewStaticAddress()
	if stateDir == "" {
		return fresh, nil
	}
	path := filepath.Join(stateDir, addressName)
	b, err := os.ReadFile(path)
	if err == nil {
		mac, err := hci.ParseMAC(strings.TrimSpace(string(b)))
		if err != nil {
			return mac, &StateError{
				Dir: stateDir, Err: fmt.Errorf("%s: %w", addressName, err),
				Remedy: "remove the file to have another address, which ends all bonds made with it",
			}
		}
		return mac, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(stateDir, 0o700)
		if err == nil {
			err = renameio.WriteFile(path, []byte(fresh.String()+"\n"), 0o600)
		}
	}
	if err != nil {
		return fresh, &StateError{Dir: stateDir, Err: err}
	}
	return fresh, nil
}
