package sim

import (
	"errors"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// receivePacket handles a packet from the host. It reports whether its buffer is
// free again.
func (c *Controller) receivePacket(b []byte) bool {
	c.air.logHCI(c, b, nil, true)
	if c.hung {
		return true
	}
	r := wire.NewReader(b)
	switch r.U8() {
	case commandPacket:
		c.stats.Commands++
		c.countCrowd()
		c.runCommand(r.Rest())
	case dataPacket:
		return !c.dataFromHost(b)
	default:
		c.stats.BadPackets++
	}
	return true
}

// runCommand carries a command out and answers it.
func (c *Controller) runCommand(b []byte) {
	p, err := hci.ParseCommand(b)
	if err != nil {
		c.stats.BadPackets++
		r := wire.NewReader(b)
		if op := hci.Opcode(r.U16()); r.Err() == nil {
			c.sendAnswer(reply{op: op, st: hci.StatusInvalidParameters})
		}
		return
	}
	op := p.Opcode()
	rep := reply{op: op}
	_, rep.procedure = p.(hci.Procedure)
	if f := c.takeCommandFault(op); f != nil {
		c.spoilExecution(p, &rep, f)
		if !c.holdAnswer(rep, f, b) {
			c.spoilAnswer(rep, f)
		}
	} else {
		c.executeCommand(p, &rep)
		c.sendAnswer(rep)
	}
	for _, then := range rep.then {
		then()
	}
}

// reply is the answer to a command: Command Status for a procedure, Command
// Complete for all others. The functions in then run after the answer.
type reply struct {
	op        hci.Opcode
	procedure bool
	st        hci.Status
	ret       hci.Return
	then      []func()
}

func (r *reply) after(f func()) { r.then = append(r.then, f) }

// executeCommand checks a command and carries it out.
func (c *Controller) executeCommand(p hci.Params, r *reply) {
	switch {
	case !c.supported.Has(p.Opcode()): // always in Command Status (Vol 4, Part E, 4.4)
		r.st, r.procedure = hci.StatusUnknownCommand, true
	case !c.fits(p):
		r.st = hci.StatusInvalidParameters
	case !c.mode.allows(p.Opcode()):
		r.st = hci.StatusCommandDisallowed
	default:
		c.dispatch(p, r)
	}
}

// fits reports whether all parameters are in their ranges.
func (c *Controller) fits(p hci.Params) bool {
	b, err := p.AppendParams(c.buf[:0])
	if err != nil {
		var bad *hci.ParamError
		return !errors.As(err, &bad)
	}
	c.buf = b
	return true
}

// countCrowd counts a command that the host has sent beyond its credits: one for
// which too many others are queued.
func (c *Controller) countCrowd() {
	if c.waitingCommands() >= int(c.cfg.credits()) {
		c.stats.Crowding++
	}
}

// losesCommand reports whether a packet of the host is a command for which the controller
// has no buffer.
func (c *Controller) losesCommand(b []byte) bool {
	return c.cfg.CommandBuffers > 0 && isCommand(b) && c.waitingCommands() >= c.cfg.CommandBuffers
}

// waitingCommands returns the number of commands that wait to be processed.
func (c *Controller) waitingCommands() (n int) {
	for i := range c.input.Len() {
		if isCommand(c.input.At(i).buf) {
			n++
		}
	}
	return n
}
