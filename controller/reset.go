package controller

import (
	"cmp"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// A controller that is being reset takes no other command until it has answered
// (Vol 4, Part E, 7.3.2), and forgets the commands before: pumpCommands sends nothing
// meanwhile, and the forgotten commands end with ErrReset.

// takeForgotten removes the pending commands that the controller has forgotten if it
// answers a reset.
func (c *core) takeForgotten() []*command {
	pending := c.cmds.pending
	if pending[hci.OpReset] == nil {
		return nil
	}
	var forgotten []*command
	for op, cmd := range pending {
		if op != hci.OpReset {
			delete(pending, op)
			c.timers.stopTimer(&cmd.timer)
			forgotten = append(forgotten, cmd)
		}
	}
	slices.SortFunc(forgotten, func(a, b *command) int { return cmp.Compare(a.op, b.op) })
	return forgotten
}

// endForgotten ends commands from before a reset.
func (c *core) endForgotten(forgotten []*command) {
	for _, cmd := range forgotten {
		err := c.err
		if err == nil {
			err = ErrReset
		}
		cmd.done(c.now, nil, &CommandError{cmd.op, err})
	}
}

// resetAtEnd resets the controller before all queued commands, and then ends the
// Controller with cause. Nothing is sent after the reset.
func (c *core) resetAtEnd(cause error) {
	packet, err := hci.AppendCommand(nil, hci.Reset{})
	if err != nil || c.err != nil {
		c.failController(cause)
		return
	}
	reset := &command{op: hci.OpReset, packet: packet, done: func(time.Time, []byte, error) { c.failController(cause) }}
	c.cmds.queue = slices.Insert(c.cmds.queue, 0, reset)
	c.pumpCommands()
}
