package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/smp"
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
	if unsaved, ok := errors.AsType[*smp.SaveError](e.Err); ok {
		return fmt.Sprintf("%s: paired, but the bond is not stored: %v", deviceText(e.Name, e.Address.MAC), unsaved.Err)
	}
	failed := "no connection"
	if _, ok := errors.AsType[*smp.Error](e.Err); ok {
		failed = "not paired"
	}
	return fmt.Sprintf("%s: %s after %s: %v", deviceText(e.Name, e.Address.MAC), failed, plural(len(e.Attempts), "attempt"), e.Err)
}

// deviceText returns the address of a device, with its name if it has one.
func deviceText(name string, mac hci.MAC) string {
	address := mac.String()
	if name == "" || strings.EqualFold(name, address) {
		return address
	}
	return address + " (" + text.Clean(name) + ")"
}
