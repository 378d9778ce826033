package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Fault is a fault of a controller: a CommandFault, an EventFault, a CreditFault,
// a ConnectFault or a LinkFault. Controller.Fault switches it on.
type Fault interface {
	installFault(f *faults)
}

// Always is a value for the Times of a fault: it acts until ClearFaults.
const Always = -1

// ConnectFault spoils a connect that would succeed.
type ConnectFault struct {
	// Peer is the address to which it applies. The zero Addr means every peer.
	Peer hci.Addr
	// Times is the number of connects that it spoils; 0 means one. The first Skip
	// connects pass.
	Times, Skip int
	// Chance is the probability, 0 to 1, with which it spoils a connect. 0 means 1.
	// A connect that it leaves alone does not count for Times.
	Chance float64
	// MinLinks restricts it to times at which at least so many links are up.
	MinLinks int

	// Status is the status of LE Connection Complete, or of Command Status with
	// Refuse. With the zero Status the link is made, but no packet of it arrives:
	// it ends with 0x3E after six connection events.
	Status hci.Status
	Refuse bool
	// Delay makes LE Connection Complete late.
	Delay time.Duration
}

// LinkFault ends links.
type LinkFault struct {
	// Peer is the address to which it applies. The zero Addr means every peer.
	Peer hci.Addr
	// Times is the number of links that it ends; 0 means one. A link that is up
	// when the fault is switched on counts. The first Skip links pass.
	Times, Skip int
	// Chance is the probability, 0 to 1, with which it ends a link. 0 means 1. A
	// link that it leaves alone does not count for Times.
	Chance float64
	// MinLinks restricts it to links that are made while at least so many are up,
	// the new one included.
	MinLinks int

	// After is the number of link layer data packets that pass before, in both
	// directions together.
	After int
	// Reason is the reason that both hosts are given at once. With the zero Reason
	// the link falls silent, and both sides end it by supervision timeout.
	// MICFailure on an encrypted link is reported to the receiver of the packet.
	Reason hci.Status
}

// faults are the faults of a controller that are switched on.
type faults struct {
	commands []*CommandFault
	events   []*EventFault
	connects []*ConnectFault
	links    []*LinkFault
	credits  []*CreditFault
}

func (n ConnectFault) installFault(f *faults) { f.connects = append(f.connects, &n) }
func (l LinkFault) installFault(f *faults)    { f.links = append(f.links, &l) }

// Fault switches a fault on. Faults of one kind act in the order in which they
// were switched on; a fault that is used up makes way for the next.
func (c *Controller) Fault(f Fault) {
	c.air.post(func() {
		f.installFault(&c.faults)
		switch f := f.(type) {
		case CreditFault:
			if f.For > 0 {
				c.limitCreditFault()
			}
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

// ClearFaults switches all faults off. A LinkFault that has chosen a link still
// ends it.
func (c *Controller) ClearFaults() {
	c.air.post(func() {
		c.faults = faults{}
		c.flushCredits()
	})
}

// limits are the fields of a fault that say how often it acts.
type limits struct {
	times, skip *int
	chance      float64
	minLinks    int
}

// takeFault returns the first fault that matches and acts, or nil. It removes a
// fault that is used up.
func takeFault[F any](c *Controller, list *[]*F, match func(*F) bool, limitsOf func(*F) limits) *F {
	for i, f := range *list {
		if !match(f) {
			continue
		}
		l := limitsOf(f)
		switch {
		case c.node.links < l.minLinks:
			continue
		case *l.skip > 0:
			*l.skip--
			continue
		case l.chance > 0 && !c.air.chance(l.chance):
			continue
		}
		if *l.times >= 0 {
			if *l.times = max(*l.times, 1) - 1; *l.times == 0 {
				*list = append((*list)[:i:i], (*list)[i+1:]...)
			}
		}
		return f
	}
	return nil
}

func (c *Controller) takeConnectFault(peer hci.Addr, refuse bool) *ConnectFault {
	return takeFault(c, &c.faults.connects,
		func(f *ConnectFault) bool { return f.Refuse == refuse && (f.Peer == hci.Addr{} || f.Peer == peer) },
		func(f *ConnectFault) limits { return limits{&f.Times, &f.Skip, f.Chance, f.MinLinks} })
}

func (c *Controller) takeLinkFault(peer hci.Addr) *LinkFault {
	return takeFault(c, &c.faults.links,
		func(f *LinkFault) bool { return f.Peer == hci.Addr{} || f.Peer == peer },
		func(f *LinkFault) limits { return limits{&f.Times, &f.Skip, f.Chance, f.MinLinks} })
}

// linkLimit is a LinkFault that has chosen the link.
type linkLimit struct {
	on     bool
	left   int
	reason hci.Status
}

// faultLink lets a LinkFault choose the link.
func (c *Controller) faultLink(e *endpoint) {
	if f := c.takeLinkFault(e.peer); f != nil {
		e.link.limit = linkLimit{on: true, left: f.After, reason: f.Reason}
	}
}

// dies counts a data packet of the endpoint for the link's fault, and reports
// whether it ends the link.
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
