package controller

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// lacking is implemented by transports whose controller has fewer commands than others.
type lacking interface {
	// Lacks returns the reason, with its remedy.
	Lacks() error
}

// Lacks returns the reason, with its remedy, why the controller behind a transport has fewer
// commands than others, as one that is played for a Bluetooth proxy. Errors about commands
// that it does not have wrap it. It is nil for any other transport.
func Lacks(tr hci.Transport) error {
	if l, ok := tr.(lacking); ok {
		return l.Lacks()
	}
	return nil
}

// explainLack adds the reason to the refusal of a command that the controller does not know.
func (c *core) explainLack(status hci.Status) error {
	if c.lacks == nil || status != hci.StatusUnknownCommand {
		return status
	}
	return fmt.Errorf("%w: %w", status, c.lacks)
}
