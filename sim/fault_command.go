package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// CommandFault spoils the answer to a command. The zero value of a field has no
// effect.
type CommandFault struct {
	// Opcode is the command. 0 means every command.
	Opcode hci.Opcode
	// Times is the number of commands that it spoils; 0 means one. The first Skip
	// commands pass.
	Times, Skip int
	// Chance is the probability, 0 to 1, with which it spoils a command. 0 means 1.
	// A command that it leaves alone does not count for Times.
	Chance float64
	// MinLinks restricts it to times at which at least so many links are up.
	MinLinks int

	// Status is the answer instead of the right one. The command has no effect,
	// unless Execute is set.
	Status  hci.Status
	Execute bool
	// Ignore answers with success and zeros. The command has no effect.
	Ignore bool
	// NoAnswer omits the answer. The command is carried out, unless Ignore is set.
	NoAnswer bool
	// AfterEvent sends the answer only after the event to which the command leads,
	// as some controllers do: LE Connection Update Complete and then the Command
	// Status of LE Connection Update. Commands that fail, or that lead to no event,
	// are answered as usual.
	AfterEvent bool
	// Delay makes the answer late.
	Delay time.Duration
	// Copies are answers in addition to the right one.
	Copies int
	// As is the opcode that the answer names.
	As hci.Opcode
	// ShortBy is the number of octets that are missing at the end of Command
	// Complete.
	ShortBy int
	// OtherEvent answers by Command Status in place of Command Complete, and the
	// other way round.
	OtherEvent bool
	// NoCredits makes the answer carry Num_HCI_Command_Packets 0. The credits
	// come CreditDelay later, in a Command Complete for no command; if that is
	// zero, never.
	NoCredits   bool
	CreditDelay time.Duration
}

func (c CommandFault) installFault(f *faults) { f.commands = append(f.commands, &c) }

// takeCommandFault returns the fault that spoils a command, or nil.
func (c *Controller) takeCommandFault(op hci.Opcode) *CommandFault {
	return takeFault(c, &c.faults.commands,
		func(f *CommandFault) bool { return f.Opcode == 0 || f.Opcode == op },
		func(f *CommandFault) limits { return limits{&f.Times, &f.Skip, f.Chance, f.MinLinks} })
}

// spoilExecution carries out a command as a fault allows.
func (c *Controller) spoilExecution(p hci.Params, r *reply, f *CommandFault) {
	if !f.Ignore && (f.Status == hci.StatusSuccess || f.Execute) {
		c.executeCommand(p, r)
	}
	if f.Status != hci.StatusSuccess {
		r.st = f.Status
	}
}

// sendAnswer sends the answer to a command.
func (c *Controller) sendAnswer(r reply) {
	c.buf = c.appendAnswer(c.buf[:0], &r, c.cfg.credits())
	c.sendEncoded(c.buf, 0)
}

// spoilAnswer sends the answer to a command as a fault would have it.
func (c *Controller) spoilAnswer(r reply, f *CommandFault) {
	if f.NoAnswer {
		return
	}
	r.op = or(f.As, r.op)
	r.procedure = r.procedure != f.OtherEvent
	credits := c.cfg.credits()
	if f.NoCredits {
		credits = 0
		if f.CreditDelay > 0 {
			c.sendLater(f.CreditDelay, hci.AppendCommandComplete([]byte{eventPacket}, c.cfg.credits(), 0, hci.StatusSuccess, hci.None{}))
		}
	}
	b := c.appendAnswer(nil, &r, credits)
	if short := min(f.ShortBy, len(b)-3); short > 0 { // behind type, code and length
		b = b[:len(b)-short]
		b[2] -= byte(short)
	}
	for range f.Copies + 1 {
		c.sendEncoded(b, f.Delay)
	}
}

// appendAnswer appends Command Status for a procedure, Command Complete for every
// other command.
func (c *Controller) appendAnswer(b []byte, r *reply, credits uint8) []byte {
	b = append(b, eventPacket)
	if r.procedure {
		return hci.AppendEvent(b, &hci.CommandStatus{Status: r.st, NumPackets: credits, Opcode: r.op})
	}
	if r.ret == nil {
		r.ret = hci.None{}
	}
	return hci.AppendCommandComplete(b, credits, r.op, r.st, r.ret)
}
