package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Fault is something that a controller does wrong: a CommandFault, an
// EventFault, a CreditFault, a ConnectFault or a LinkFault. Controller.Fault
// switches it on.
type Fault interface {
	installFault(f *faults)
}

// Always is for the Times of a fault: it lasts until ClearFaults.
const Always = -1

// CommandFault spoils the answer to a command. The zero value of a field
// leaves that alone.
type CommandFault struct {
	Opcode hci.Opcode
	// Times is for how many commands; 0 is one.
	Times int
	// Status is the answer instead of the right one; the command does nothing
	// then.
	Status hci.Status
	// Ignore answers, with success and zeros, a command that does nothing.
	Ignore bool
	// NoAnswer leaves the answer out. The command is carried out, unless Ignore is
	// set.
	NoAnswer bool
	// Delay makes the answer late.
	Delay time.Duration
	// Copies are answers in addition to the right one.
	Copies int
	// As is the opcode that the answer names.
	As hci.Opcode
	// NoCredits makes the answer carry Num_HCI_Command_Packets 0. The credits
	// come CreditDelay later, in a Command Complete for no command; if that is
	// zero, never.
	NoCredits   bool
	CreditDelay time.Duration
}

// EventFault spoils events of one kind.
type EventFault struct {
	// Code is the event code, Subevent that of an LE event (Code 0x3E).
	Code, Subevent uint8
	// Times is for how many events; 0 is one. The first Skip ones pass.
	Times, Skip int
	// Drop loses the event; what it reports has happened all the same.
	Drop bool
	// Delay makes it late.
	Delay time.Duration
	// Copies are sent in addition.
	Copies int
}

// CreditFault spoils Number Of Completed Packets.
type CreditFault struct {
	// Withhold keeps credits from the host. A CreditFault without it hands out
	// those that have been kept.
	Withhold bool
	// Extra are returned with each event in addition to the right number.
	Extra int
}

// ConnectFault spoils what becomes of a connect that would succeed.
type ConnectFault struct {
	// Peer is whom it concerns; the zero Addr is everybody.
	Peer hci.Addr
	// Times is for how many connects; 0 is one.
	Times int
	// Status is what LE Connection Complete reports, or Command Status with
	// Refuse. With the zero Status the link is made, but no packet of it arrives:
	// it ends with 0x3E after six connection events.
	Status hci.Status
	Refuse bool
	// Delay makes LE Connection Complete late.
	Delay time.Duration
}

// LinkFault ends links.
type LinkFault struct {
	// Peer is whom it concerns; the zero Addr is everybody.
	Peer hci.Addr
	// Times is for how many links; 0 is one. A link that is there when the fault
	// is switched on counts.
	Times int
	// After is how many data packets of the link layer pass, in both directions
	// together, before it.
	After int
	// Reason is what both hosts are told at once. With the zero Reason the link
	// falls silent, and both find out by supervision timeout. MICFailure on an
	// encrypted link is told to the one that receives the packet.
	Reason hci.Status
}

// faults are those that are switched on.
type faults struct {
	commands []*CommandFault
	events   []*EventFault
	connects []*ConnectFault
	links    []*LinkFault
	withhold bool
	extra    int
}

func (c CommandFault) installFault(f *faults) { f.commands = append(f.commands, &c) }
func (e EventFault) installFault(f *faults)   { f.events = append(f.events, &e) }
func (n ConnectFault) installFault(f *faults) { f.connects = append(f.connects, &n) }
func (l LinkFault) installFault(f *faults)    { f.links = append(f.links, &l) }
func (c CreditFault) installFault(f *faults)  { f.withhold, f.extra = c.Withhold, c.Extra }

// Fault switches a fault on. Several of a kind for the same thing are used up
// one after the other.
func (c *Controller) Fault(f Fault) {
	c.air.post(func() {
		f.installFault(&c.faults)
		switch f.(type) {
		case CreditFault:
			c.flushCredits()
		case LinkFault:
			for _, k := range c.conns {
				if k != nil {
					c.faultLink(k.endpoint)
				}
			}
		}
	})
}

// ClearFaults switches all faults off. Links that a LinkFault has taken keep
// it.
func (c *Controller) ClearFaults() {
	c.air.post(func() {
		c.faults = faults{}
		c.flushCredits()
	})
}

// use counts a fault down and reports whether it is used up.
func use(times *int) bool {
	if *times < 0 {
		return false
	}
	*times = max(*times, 1) - 1
	return *times == 0
}

// takeFault finds the first fault that matches, and removes it when used up.
func takeFault[F any](list *[]*F, match func(*F) bool, times func(*F) *int) *F {
	for i, f := range *list {
		if match(f) {
			if use(times(f)) {
				*list = append((*list)[:i:i], (*list)[i+1:]...)
			}
			return f
		}
	}
	return nil
}

func (f *faults) takeCommandFault(op hci.Opcode) *CommandFault {
	return takeFault(&f.commands, func(c *CommandFault) bool { return c.Opcode == op }, func(c *CommandFault) *int { return &c.Times })
}

func (f *faults) takeEventFault(code, sub uint8) *EventFault {
	match := func(e *EventFault) bool {
		if e.Code != code || e.Subevent != sub {
			return false
		}
		if e.Skip > 0 {
			e.Skip--
			return false
		}
		return true
	}
	return takeFault(&f.events, match, func(e *EventFault) *int { return &e.Times })
}

func (f *faults) takeConnectFault(peer hci.Addr, refuse bool) *ConnectFault {
	match := func(n *ConnectFault) bool { return n.Refuse == refuse && (n.Peer == hci.Addr{} || n.Peer == peer) }
	return takeFault(&f.connects, match, func(n *ConnectFault) *int { return &n.Times })
}

func (f *faults) takeLinkFault(peer hci.Addr) *LinkFault {
	match := func(l *LinkFault) bool { return l.Peer == hci.Addr{} || l.Peer == peer }
	return takeFault(&f.links, match, func(l *LinkFault) *int { return &l.Times })
}

// linkLimit is a LinkFault that has taken a link.
type linkLimit struct {
	on     bool
	left   int
	reason hci.Status
}

// faultLink lets a LinkFault take the link.
func (c *Controller) faultLink(e *endpoint) {
	if f := c.faults.takeLinkFault(e.peer); f != nil {
		e.link.limit = linkLimit{on: true, left: f.After, reason: f.Reason}
	}
}

// dies counts a data packet of the end towards the link's fault, and reports
// whether that ends the link.
func (e *endpoint) dies() bool {
	l := e.link
	if !l.limit.on {
		return false
	}
	if l.limit.left > 0 {
		l.limit.left--
		return false
	}
	l.limit.on = false
	switch reason := l.limit.reason; reason {
	case hci.StatusSuccess:
		l.apart = true
		l.reassess()
	case hci.StatusMICFailure:
		e.other().dropLink(reason)
	default:
		e.dropLink(reason)
		e.other().dropLink(reason)
	}
	return true
}

// Inject sends octets to the host as if they were a packet: garbage, half a
// packet, an event for a handle that never was. It begins with the H4 type.
func (c *Controller) Inject(packet []byte) {
	packet = append([]byte(nil), packet...)
	c.air.post(func() { c.toHost(packet, nil) })
}

// InjectEvent sends an event to the host, past all masks and faults.
func (c *Controller) InjectEvent(ev hci.Event) {
	c.air.post(func() { c.toHost(hci.AppendEvent([]byte{eventPacket}, ev), nil) })
}

// HardwareError makes the controller report a fault of its own. With reset, it
// also loses its state, as a controller does whose firmware has crashed.
func (c *Controller) HardwareError(code uint8, reset bool) {
	c.air.post(func() {
		if reset {
			c.powerOn()
		}
		c.toHost(hci.AppendEvent([]byte{eventPacket}, &hci.HardwareError{Code: code}), nil)
	})
}

// Crash makes the controller lose its state without a word to anybody.
func (c *Controller) Crash() { c.air.post(c.powerOn) }

// SetMaxLinks changes how many links there can be, and how a connect beyond
// that is refused.
func (c *Controller) SetMaxLinks(n int, full hci.Status) {
	c.air.post(func() { c.cfg.MaxLinks, c.cfg.FullStatus = n, full })
}
