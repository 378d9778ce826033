package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Exec sends a command that the controller answers with Command Complete, and
// returns its return parameters. Its error is a *[CommandError], which wraps the
// [hci.Status] of a command that failed. When ctx ends first, Exec returns at
// once; a command that has not been sent by then is dropped. It must not be called
// on the loop.
func Exec[R any](ctx context.Context, ctl *Controller, cmd hci.Command[R]) (R, error) {
	return askLoop(ctx, &ctl.core, commandFailed(cmd.Opcode()), func(wanted func() bool, done func(R, error)) {
		ctl.core.runCommandIf(wanted, cmd, func(_ time.Time, ret []byte, err error) { decodeReturn(cmd, ret, err, done) })
	})
}

// Start sends a command that the controller answers with Command Status, and
// returns once the controller has accepted it; see [Exec]. An event reports the
// outcome later. Start does not wait for it, as the methods of [Controller] and
// [Link] for such procedures do.
func Start(ctx context.Context, ctl *Controller, p hci.Procedure) error {
	_, err := askLoop(ctx, &ctl.core, commandFailed(p.Opcode()), func(wanted func() bool, done func(hci.None, error)) {
		ctl.core.runCommandIf(wanted, p, func(_ time.Time, _ []byte, err error) { done(hci.None{}, err) })
	})
	return err
}

// decodeReturn decodes the return parameters of cmd, unless it failed, and calls
// done.
func decodeReturn[R any](cmd hci.Command[R], ret []byte, err error, done func(R, error)) {
	var v R
	if err == nil {
		if v, err = hci.ReadReturn(cmd, ret); err != nil {
			err = &CommandError{cmd.Opcode(), fmt.Errorf("return parameters: %w", err)}
		}
	}
	done(v, err)
}
