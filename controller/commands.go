package controller

import (
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// command is one HCI command, from its submission to its answer. It stays pending
// when its caller gives up, because the controller has its credit and its opcode
// until it answers.
type command struct {
	op     hci.Opcode
	packet []byte // whole H4 packet
	// done is called once, on the loop. ret holds the return parameters after the
	// status and is valid during the call only.
	done func(now time.Time, ret []byte, err error)
	// wanted reports whether the command is still to be sent. It is called right
	// before sending; nil means yes.
	wanted func() bool
	// link is the link that the command is about; nil if there is none. A queued
	// command ends with it.
	link  *Link
	timer timer
	vital bool   // its missing answer ends the Controller, although it is optional
	sent  int    // how often it has been sent; more than once for the first reset only
	turn  uint64 // its place among the commands sent
}

// resets is how often the first reset is sent before its missing answer counts: a
// controller that still boots loses commands.
const resets = 3

// commands is the flow control of HCI commands (Vol 4, Part E, 4.4): the
// controller grants credits, and at most one command per opcode is pending.
type commands struct {
	queue   []*command
	pending map[hci.Opcode]*command
	// credits counts the commands that may be sent now. granted is the latest count
	// that the controller has granted, limit the largest one. Pending commands are
	// subtracted from limit, because the controller may have granted a count before it
	// saw them.
	credits, granted, limit int
	// window is the number of commands that may be outstanding whatever the controller
	// grants, see pacing.
	window int
	// crowded reports that several commands were outstanding since the last reset of the
	// start-up.
	crowded bool
	turns   uint64 // counts the commands sent
	// unanswered holds the optional commands that the controller did not answer.
	unanswered map[hci.Opcode]bool
	// starving runs while commands are queued, or onCredit is set, none is pending and
	// there is no credit. Only an event of the controller can end that state.
	starving timer
	// onCredit is called once there is a credit, or with the error that ends all commands.
	onCredit func(error)
}

// essential reports whether a missing answer to op ends the Controller. The other
// commands are optional: the Controller works without them, with fewer features.
func essential(op hci.Opcode) bool {
	switch op {
	case hci.OpReset, hci.OpSetEventMask, hci.OpLESetEventMask, hci.OpLEReadBufferSize,
		hci.OpLESetScanEnable, hci.OpLESetScanParameters, hci.OpLESetExtendedScanEnable, hci.OpLESetExtendedScanParameters,
		hci.OpLECreateConnection, hci.OpLEExtendedCreateConnection, hci.OpLECreateConnectionCancel, hci.OpDisconnect,
		hci.OpLESetAdvertisingEnable, hci.OpLESetExtendedAdvertisingEnable:
		return true
	}
	return false
}

// runCommand queues p. done is called with the answer; its error is a
// *CommandError, or a *hci.ParamError if p cannot be encoded. Must run on the loop.
func (c *core) runCommand(p hci.Params, done func(now time.Time, ret []byte, err error)) {
	c.runCommandIf(nil, p, done)
}

// runCommandIf is runCommand for a command that is dropped, without a call of
// done, if wanted returns false at the moment of sending.
func (c *core) runCommandIf(wanted func() bool, p hci.Params, done func(now time.Time, ret []byte, err error)) {
	packet, err := hci.AppendCommand(nil, p)
	if err != nil {
		done(c.now, nil, err)
		return
	}
	c.submitCommand(&command{op: p.Opcode(), packet: packet, wanted: wanted, done: done})
}

// runLinkCommand is runCommandIf for a command about the link. A command that is not
// sent before the link goes down is not sent at all, because another link may have the
// handle by then. done gets the error of the link instead. A controller that answers that
// it does not have the link is asked once more, and the link ends if it does not.
func (l *Link) runLinkCommand(wanted func() bool, p hci.Params, done func(now time.Time, ret []byte, err error)) {
	packet, err := hci.AppendCommand(nil, p)
	if end := l.Err(); end != nil {
		err = end
	}
	if err != nil {
		done(l.c.now, nil, err)
		return
	}
	l.c.submitCommand(&command{op: p.Opcode(), packet: packet, wanted: wanted, link: l, done: func(now time.Time, ret []byte, err error) {
		done(now, ret, err)
		if statusOf(err) == hci.StatusUnknownConnection {
			l.verifyLink()
		}
	}})
}

// runInOrder runs commands one after the other, whatever the controller answers, and
// then calls then. It does not if the Controller ends meanwhile.
func (c *core) runInOrder(ps []hci.Params, then func()) {
	if len(ps) == 0 {
		then()
		return
	}
	c.runCommand(ps[0], func(_ time.Time, _ []byte, err error) {
		if c.err != nil {
			return
		}
		if err != nil {
			c.log.Log(c.ctx, LevelController, "set-up goes on without", "error", err)
		}
		c.runInOrder(ps[1:], then)
	})
}

// runUntilError runs commands one after the other, up to the first error, and then calls
// done.
func (c *core) runUntilError(ps []hci.Params, done func(error)) {
	if len(ps) == 0 {
		done(nil)
		return
	}
	c.runCommand(ps[0], func(_ time.Time, _ []byte, err error) {
		if err != nil {
			done(err)
			return
		}
		c.runUntilError(ps[1:], done)
	})
}

// failQueued ends the queued commands that which selects with the error that reason
// returns for them.
func (c *core) failQueued(which func(*command) bool, reason func(*command) error) {
	var failed []*command
	c.cmds.queue = slices.DeleteFunc(c.cmds.queue, func(cmd *command) bool {
		if !which(cmd) {
			return false
		}
		failed = append(failed, cmd)
		return true
	})
	for _, cmd := range failed {
		cmd.done(c.now, nil, reason(cmd))
	}
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

// pumpCommands sends queued commands while there are credits. Commands with
// other opcodes overtake a command whose opcode is pending, but not a reset.
func (c *core) pumpCommands() {
	for i := 0; i < len(c.cmds.queue) && c.cmds.credits > 0 && c.cmds.pending[hci.OpReset] == nil && c.err == nil; {
		cmd := c.cmds.queue[i]
		if c.cmds.pending[cmd.op] != nil {
			i++
			continue
		}
		c.cmds.queue = slices.Delete(c.cmds.queue, i, i+1)
		if cmd.wanted != nil && !cmd.wanted() {
			continue
		}
		c.cmds.credits--
		c.cmds.turns++
		cmd.turn = c.cmds.turns
		c.cmds.pending[cmd.op] = cmd
		c.cmds.crowded = c.cmds.crowded || len(c.cmds.pending) > 1
		c.noteTuned(cmd)
		cmd.timer.f = func(now time.Time) { c.commandTimedOut(cmd) }
		c.sendCommand(cmd)
	}
	if f := c.cmds.onCredit; f != nil && c.cmds.credits > 0 {
		c.cmds.onCredit = nil
		f(nil)
	}
	c.watchCredits()
}

// awaitCredit calls f once the controller accepts another command.
func (c *core) awaitCredit(f func(error)) {
	c.cmds.onCredit = f
	c.pumpCommands()
}

// sendCommand sends a pending command and starts its timer.
func (c *core) sendCommand(cmd *command) {
	cmd.sent++
	c.timers.setTimer(&cmd.timer, c.now.Add(c.cfg.commandTimeout()))
	c.sendPacket(cmd.packet)
}

// watchCredits bounds how long the controller may grant no credit, to twice
// Config.CommandTimeout (4 s by default, as in the Linux kernel).
func (c *core) watchCredits() {
	k := &c.cmds
	if len(k.queue) == 0 && k.onCredit == nil || k.credits > 0 || len(k.pending) > 0 || c.err != nil {
		c.timers.stopTimer(&k.starving)
	} else if k.starving.index == 0 {
		c.timers.setTimer(&k.starving, c.now.Add(2*c.cfg.commandTimeout()))
	}
}

// failStarved ends the Controller if a queued command is still wanted.
func (c *core) failStarved(time.Time) {
	c.cmds.queue = slices.DeleteFunc(c.cmds.queue, func(cmd *command) bool { return cmd.wanted != nil && !cmd.wanted() })
	switch {
	case len(c.cmds.queue) > 0:
		first := c.cmds.queue[0]
		err := &CommandError{first.op, ErrNoCredit}
		if c.pacing.noteFault(err) {
			return
		}
		c.cmds.queue = c.cmds.queue[1:]
		first.done(c.now, nil, err)
		c.failController(&Error{"the controller accepts no more commands", err})
	case c.cmds.onCredit != nil && !c.pacing.noteFault(ErrNoCredit):
		c.failController(&Error{"the controller accepts no more commands", ErrNoCredit})
	}
}

// refill computes the credits from the count that the controller granted last.
func (k *commands) refill() {
	k.credits = max(0, min(k.granted, min(k.limit, k.window)-len(k.pending)))
}

// isOldest reports whether cmd was sent before all pending commands.
func (k *commands) isOldest(cmd *command) bool {
	for _, o := range k.pending {
		if o.turn < cmd.turn {
			return false
		}
	}
	return true
}

// takeAnswer applies the opcode and the credit count of a Command Complete or
// Command Status event and returns the command that it answers. Opcode 0 answers
// none and only grants credits (7.7.14). An answer that is late, duplicated or for
// another host has no command either: the result is nil.
func (c *core) takeAnswer(op hci.Opcode, numPackets uint8) *command {
	c.cmds.granted = int(numPackets)
	c.cmds.limit = max(c.cmds.limit, c.cmds.granted)
	cmd := c.cmds.pending[op]
	if cmd != nil {
		delete(c.cmds.pending, op)
		c.timers.stopTimer(&cmd.timer)
	}
	c.cmds.refill()
	if cmd != nil && !c.started && !c.cmds.isOldest(cmd) {
		c.pacing.noteFault(&CommandError{op, errOutOfOrder})
	}
	if cmd == nil && op != 0 {
		c.stats.ForeignAnswers++
		c.log.Log(c.ctx, LevelPacket, "answer to a command that is not pending", "op", op)
		delete(c.cmds.unanswered, op) // the controller does answer the command, only late
	}
	return cmd
}

// commandTimedOut handles a missing answer. It ends the Controller if the command
// is essential; otherwise the command is never sent again.
func (c *core) commandTimedOut(cmd *command) {
	if cmd.op == hci.OpReset && !c.started && cmd.sent < resets {
		c.sendCommand(cmd)
		return
	}
	delete(c.cmds.pending, cmd.op)
	err := &CommandError{cmd.op, ErrNoAnswer}
	// A controller that does not answer Reset hangs or boots, which is no matter of pace.
	if cmd.op != hci.OpReset && c.pacing.noteFault(err) {
		cmd.done(c.now, nil, err)
		return
	}
	if cmd.vital || essential(cmd.op) {
		cmd.done(c.now, nil, err)
		c.failController(&Error{"the controller stopped answering", err})
		return
	}
	c.log.Log(c.ctx, LevelController, "command not answered, doing without", "op", cmd.op)
	c.cmds.unanswered[cmd.op] = true
	// The credit is lost with the command. Without one no command could be sent.
	c.cmds.credits = max(1, c.cmds.credits)
	// Queued commands with the same opcode would get no answer either. They end first,
	// because the caller of this one may run another command at once.
	c.failQueued(func(q *command) bool { return q.op == cmd.op }, func(q *command) error { return &CommandError{q.op, ErrUnanswered} })
	cmd.done(c.now, nil, err)
	c.pumpCommands()
}

// handleCommandComplete handles Command Complete.
func (c *core) handleCommandComplete(ev *hci.CommandComplete) {
	status, ret := hci.StatusUnspecified, []byte(nil)
	if len(ev.Return) > 0 {
		status, ret = hci.Status(ev.Return[0]), ev.Return[1:]
	} else {
		if ev.Opcode == hci.OpReset { // some omit its status
			status = hci.StatusSuccess
		}
		if c.cmds.pending[ev.Opcode] != nil {
			c.pacing.noteFault(&CommandError{ev.Opcode, errShort})
		}
	}
	var forgotten []*command
	if ev.Opcode == hci.OpReset && status == hci.StatusSuccess {
		c.fresh = c.fresh && c.cmds.pending[hci.OpReset] == nil
		forgotten = c.takeForgotten()
	}
	if cmd := c.takeAnswer(ev.Opcode, ev.NumPackets); cmd != nil {
		c.answerCommand(cmd, ret, status)
	}
	c.endForgotten(forgotten)
	c.pumpCommands()
}

// handleCommandStatus handles Command Status.
func (c *core) handleCommandStatus(ev *hci.CommandStatus) {
	if cmd := c.takeAnswer(ev.Opcode, ev.NumPackets); cmd != nil {
		c.answerCommand(cmd, nil, ev.Status)
	}
	c.pumpCommands()
}

// answerCommand passes the controller's answer to the command's continuation.
func (c *core) answerCommand(cmd *command, ret []byte, status hci.Status) {
	if status != hci.StatusSuccess {
		cmd.done(c.now, nil, &CommandError{cmd.op, c.explainLack(status)})
		return
	}
	c.legacy.noteAccepted(cmd)
	cmd.done(c.now, ret, nil)
}

// failCommands ends all commands with err.
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
	if f := c.cmds.onCredit; f != nil {
		c.cmds.onCredit = nil
		f(err)
	}
}

// forgetCommands ends all commands with err before a reset, which the controller then
// accepts whatever it has granted.
func (c *core) forgetCommands(err error) {
	c.cmds.credits, c.cmds.granted, c.cmds.limit, c.cmds.crowded = 1, 1, 1, false
	clear(c.cmds.unanswered)
	c.failCommands(err)
}

// statusOf returns the hci.Status that err wraps, or success if there is none.
func statusOf(err error) hci.Status {
	s, _ := errors.AsType[hci.Status](err)
	return s
}
