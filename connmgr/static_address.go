package connmgr

import (
	"errors"
	"fmt"
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
		if mac, err = hci.ParseMAC(strings.TrimSpace(string(old))); err != nil {
			err = &StateError{
				Dir: stateDir, Err: fmt.Errorf("%s: %w", addressName, err),
				Remedy: "remove the file to have another address, which ends all bonds made with it",
			}
		}
		return nil, err
	})
	if _, ok := errors.AsType[*StateError](err); err != nil && !ok {
		err = &StateError{Dir: stateDir, Err: err}
	}
	return mac, err
}
