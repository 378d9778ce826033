package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Exec sends a command that is answered by Command Complete and returns its
// return parameters. An error is a *CommandError; a status other than success
// is found in it by errors.Is. When ctx ends first, Exec returns at once: a
// command that has not been sent by then never is. Not for the loop.
func Exec[R any](ctx context.Context, ctl *Controller, cmd hci.Command[R]) (R, error) {
	return askLoop(ctx, &ctl.core, commandFailed(cmd.Opcode()), func(wanted func() bool, done func(R, error)) {
		ctl.core.runCommandIf(wanted, cmd, func(_ time.Time, ret []byte, err error) { decodeReturn(cmd, ret, err, done) })
	})
}

// Start sends a command that is answered by Command Status and returns once
// the controller has accepted it; see Exec. What comes of it is reported by an
// event, which the Controller's own methods for the procedure wait for.
func Start(ctx context.Context, ctl *Controller, p hci.Procedure) error {
	_, err := askLoop(ctx, &ctl.core, commandFailed(p.Opcode()), func(wanted func() bool, done func(hci.None, error)) {
		ctl.core.runCommandIf(wanted, p, func(_ time.Time, _ []byte, err error) { done(hci.None{}, err) })
	})
	return err
}

// exec is Exec for the loop.
func execOnLoop[R any](c *core, wanted func() bool, cmd hci.Command[R], done func(R, error)) {
	c.runCommandIf(wanted, cmd, func(_ time.Time, ret []byte, err error) { decodeReturn(cmd, ret, err, done) })
}

func decodeReturn[R any](cmd hci.Command[R], ret []byte, err error, done func(R, error)) {
	var v R
	if err == nil {
		if v, err = hci.ReadReturn(cmd, ret); err != nil {
			err = &CommandError{cmd.Opcode(), fmt.Errorf("return parameters: %w", err)}
		}
	}
	done(v, err)
}
