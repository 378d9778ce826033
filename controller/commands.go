package controller

import (
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// command is one HCI command from the moment it is asked for until the
// controller has answered it. It stays pending when its caller gives up: the
// credit and the opcode are the controller's until it answers.
type command struct {
	op     hci.Opcode
	packet []byte // whole H4 packet
	// done runs on the loop, once. ret holds the return parameters after the
	// status and is valid during the call.
	done func(now time.Time, ret []byte, err error)
	// wanted reports whether to send the command at all; nil means yes. It is
	// asked at the moment of sending.
	wanted func() bool
	timer  timer
}

// commands is the flow control of HCI commands (Vol 4, Part E, 4.4): a credit
// count from the controller, and at most one unanswered command per opcode.
type commands struct {
	queue   []*command
	pending map[hci.Opcode]*command
	// credits is how many more commands the controller takes now; limit is the
	// largest number that it ever granted, so that a count that was taken before
	// it saw our latest commands cannot make us overrun it.
	credits, limit int
	// unanswered has the optional commands that this controller ignored.
	unanswered map[hci.Opcode]bool
	// starving runs while commands are queued, none is pending and no credit is
	// left: nothing but the controller can end that.
	starving timer
}

// essential reports whether the device can go on if op gets no answer. Without
// the others a link or a measurement is poorer, but alive.
func essential(op hci.Opcode) bool {
	switch op {
	case hci.OpReset, hci.OpReadBDADDR, hci.OpSetEventMask, hci.OpLESetEventMask, hci.OpReadLocalSupportedCommands,
		hci.OpLEReadBufferSize, hci.OpLEReadLocalSupportedFeatures,
		hci.OpLESetScanEnable, hci.OpLESetScanParameters, hci.OpLESetExtendedScanEnable, hci.OpLESetExtendedScanParameters,
		hci.OpLECreateConnection, hci.OpLEExtendedCreateConnection, hci.OpLECreateConnectionCancel, hci.OpDisconnect,
		hci.OpLESetAdvertisingEnable, hci.OpLESetExtendedAdvertisingEnable:
		return true
	}
	return false
}

// run queues p. done gets a *CommandError for all that goes wrong.
func (c *core) runCommand(p hci.Params, done func(now time.Time, ret []byte, err error)) {
	c.runCommandIf(nil, p, done)
}

// runIf is run for a command that is dropped in silence if it is not wanted any
// more when its turn comes.
func (c *core) runCommandIf(wanted func() bool, p hci.Params, done func(now time.Time, ret []byte, err error)) {
	packet, err := hci.AppendCommand(nil, p)
	if err != nil {
		done(c.now, nil, err)
		return
	}
	c.submitCommand(&command{op: p.Opcode(), packet: packet, wanted: wanted, done: done})
}

func (c *core) submitCommand(cmd *command) {
	switch {
	case c.err != nil:
		cmd.done(c.now, nil, &CommandError{cmd.op, c.err})
		return
	case c.cmds.unanswered[cmd.op]:
		cmd.done(c.now, nil, &CommandError{cmd.op, ErrUnanswered})
		return
	}
	c.cmds.queue = append(c.cmds.queue, cmd)
	c.pumpCommands()
}

// pumpCommands sends what credits allow. A command whose opcode is pending
// lets others pass, so that one slow procedure does not hold up the rest.
func (c *core) pumpCommands() {
	q := c.cmds.queue
	for i := 0; i < len(q) && c.cmds.credits > 0 && c.err == nil; {
		cmd := q[i]
		if c.cmds.pending[cmd.op] != nil {
			i++
			continue
		}
		q = append(q[:i], q[i+1:]...)
		c.cmds.queue = q
		if cmd.wanted != nil && !cmd.wanted() {
			continue
		}
		c.cmds.credits--
		c.cmds.pending[cmd.op] = cmd
		c.noteTuned(cmd)
		cmd.timer.f = func(now time.Time) { c.commandTimedOut(cmd) }
		c.timers.setTimer(&cmd.timer, c.now.Add(c.cfg.commandTimeout()))
		c.sendPacket(cmd.packet)
	}
	c.watchCredits()
}

// watchCredits bounds the time in which the controller may leave this host
// without a credit, to twice that for an answer (the 4 s of the Linux kernel).
func (c *core) watchCredits() {
	k := &c.cmds
	if len(k.queue) == 0 || k.credits > 0 || len(k.pending) > 0 || c.err != nil {
		c.timers.stopTimer(&k.starving)
	} else if k.starving.index == 0 {
		c.timers.setTimer(&k.starving, c.now.Add(2*c.cfg.commandTimeout()))
	}
}

func (c *core) failStarved(time.Time) {
	c.cmds.queue = slices.DeleteFunc(c.cmds.queue, func(cmd *command) bool { return cmd.wanted != nil && !cmd.wanted() })
	if len(c.cmds.queue) > 0 {
		c.failController(&Error{"the controller takes no more commands", ErrNoCredit})
	}
}

// answered takes the opcode and credit count of a Command Complete or Command
// Status event. Opcode 0 only refills credits (7.7.14). It returns nil for an
// answer that nobody waits for: late, doubled or another host's.
func (c *core) takeAnswer(op hci.Opcode, numPackets uint8) *command {
	n := int(numPackets)
	c.cmds.limit = max(c.cmds.limit, n)
	cmd := c.cmds.pending[op]
	if cmd != nil {
		delete(c.cmds.pending, op)
		c.timers.stopTimer(&cmd.timer)
	}
	c.cmds.credits = max(0, min(n, c.cmds.limit-len(c.cmds.pending)))
	if cmd == nil && op != 0 {
		c.stats.ForeignAnswers++
		c.log.Log(c.ctx, LevelPacket, "answer to no command of ours", "op", op)
		delete(c.cmds.unanswered, op) // it does answer, if late
	}
	return cmd
}

func (c *core) commandTimedOut(cmd *command) {
	delete(c.cmds.pending, cmd.op)
	err := &CommandError{cmd.op, ErrNoAnswer}
	if essential(cmd.op) {
		cmd.done(c.now, nil, err)
		c.failController(&Error{"the controller stopped answering", err})
		return
	}
	c.log.Log(c.ctx, LevelController, "command not answered, doing without", "op", cmd.op)
	c.cmds.unanswered[cmd.op] = true
	// The credit went with the command; without it nothing could ever be sent.
	c.cmds.credits = max(1, c.cmds.credits)
	cmd.done(c.now, nil, err)
	// Those queued behind it with the same opcode would only wait as long again.
	for i := 0; i < len(c.cmds.queue); {
		if q := c.cmds.queue[i]; q.op == cmd.op {
			c.cmds.queue = append(c.cmds.queue[:i], c.cmds.queue[i+1:]...)
			q.done(c.now, nil, &CommandError{q.op, ErrUnanswered})
			continue
		}
		i++
	}
	c.pumpCommands()
}

// complete handles Command Complete.
func (c *core) handleCommandComplete(ev *hci.CommandComplete) {
	cmd := c.takeAnswer(ev.Opcode, ev.NumPackets)
	if cmd != nil {
		status, ret := hci.StatusUnspecified, []byte(nil)
		if len(ev.Return) > 0 {
			status, ret = hci.Status(ev.Return[0]), ev.Return[1:]
		}
		cmd.answerCommand(c.now, ret, status)
	}
	c.pumpCommands()
}

// status handles Command Status.
func (c *core) handleCommandStatus(ev *hci.CommandStatus) {
	if cmd := c.takeAnswer(ev.Opcode, ev.NumPackets); cmd != nil {
		cmd.answerCommand(c.now, nil, ev.Status)
	}
	c.pumpCommands()
}

func (cmd *command) answerCommand(now time.Time, ret []byte, status hci.Status) {
	if status != hci.StatusSuccess {
		cmd.done(now, nil, &CommandError{cmd.op, status})
		return
	}
	cmd.done(now, ret, nil)
}

// failCommands ends all commands with the device.
func (c *core) failCommands(err error) {
	c.timers.stopTimer(&c.cmds.starving)
	pending, queue := c.cmds.pending, c.cmds.queue
	c.cmds.pending, c.cmds.queue = map[hci.Opcode]*command{}, nil
	for _, cmd := range pending {
		c.timers.stopTimer(&cmd.timer)
		cmd.done(c.now, nil, &CommandError{cmd.op, err})
	}
	for _, cmd := range queue {
		cmd.done(c.now, nil, &CommandError{cmd.op, err})
	}
}

// statusOf returns the Status within err, zero if there is none.
func statusOf(err error) hci.Status {
	s, _ := errors.AsType[hci.Status](err)
	return s
}
