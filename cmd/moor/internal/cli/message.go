package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/text"
)

// message returns the text of err without the remedy that it may end in. Errors of
// several adapters keep theirs, each on its line.
func message(err error) string {
	if failed, ok := errors.AsType[*connmgr.EstablishError](err); ok {
		return establishText(failed)
	}
	text := err.Error()
	if strings.Contains(text, "\n") {
		return text
	}
	// The manager names the adapter once more, in front.
	if open, ok := errors.AsType[*hcisock.OpenError](err); ok && strings.HasSuffix(text, open.Error()) {
		return fmt.Sprintf("%s: %s: %v", open.Address, open.Op, open.Err)
	}
	if state, ok := errors.AsType[*connmgr.StateError](err); ok && state.Remedy != "" {
		return strings.TrimSuffix(text, "; "+state.Remedy)
	}
	return text
}

// establishText says that a connection could not be established, and why.
func establishText(e *connmgr.EstablishError) string {
	return fmt.Sprintf("%s: no connection after %s: %v", deviceText(e.Name, e.Address.MAC), plural(len(e.Attempts), "attempt"), e.Err)
}

// deviceText returns the address of a device, with its name if it has one.
func deviceText(name string, mac hci.MAC) string {
	address := mac.String()
	if name == "" || strings.EqualFold(name, address) {
		return address
	}
	return address + " (" + text.Clean(name) + ")"
}
