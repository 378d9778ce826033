package connmgr

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// addressName is the name of the file of the static address in a state directory.
const addressName = "address"

// loadStaticAddress returns the address for controllers that have none of their own. It
// is made once and kept, because bonds depend on it.
func loadStaticAddress(stateDir string) (hci.MAC, error) {
	mac := controller.NewStaticAddress()
	if stateDir == "" {
		return mac, nil
	}
	err := changeState(stateDir, addressName, func(old []byte) (b []byte, err error) {
		if old == nil {
			return []byte(mac.String() + "\n"), nil
		}
		mac, err = decodeAddress(stateDir, old)
		return nil, err
	})
	if _, ok := errors.AsType[*StateError](err); err != nil && !ok {
		err = &StateError{Dir: stateDir, Err: err}
	}
	return mac, err
}

// decodeAddress decodes the content of the file of the static address.
func decodeAddress(stateDir string, b []byte) (hci.MAC, error) {
	mac, err := hci.ParseMAC(strings.TrimSpace(string(b)))
	if err != nil {
		path := filepath.Join(stateDir, addressName)
		return mac, fileError(stateDir, addressName, fmt.Errorf("%w: %w", errDamaged, err),
			"put "+path+" back from a backup, or remove it: this host then has another address, and bonds made with the old one end")
	}
	return mac, nil
}
