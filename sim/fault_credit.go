package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// CompletedReports is the way in which a controller reports completed packets.
type CompletedReports uint8

// The ways to report completed packets.
const (
	// CompletedPromptly reports at the end of a connection event, or as soon as
	// half of the buffers are free again.
	CompletedPromptly CompletedReports = iota
	// CompletedOneByOne reports each packet in an event of its own.
	CompletedOneByOne
	// CompletedByHalf reports when half of the buffers are free again, or when the
	// last packet has been completed.
	CompletedByHalf
	// CompletedAtEventEnd reports at the end of a connection event.
	CompletedAtEventEnd
)

// CreditFault spoils Number Of Completed Packets. It replaces an earlier
// CreditFault for the same Peer; one without effect ends the earlier one, and
// returns the credits that were kept.
type CreditFault struct {
	// Peer is the peer whose link it spoils. The zero Addr means every link
	// without a CreditFault of its own.
	Peer hci.Addr
	// For is how long it lasts. 0 means until it is replaced.
	For time.Duration

	// Withhold keeps credits from the host until the fault ends.
	Withhold bool
	// Lose loses credits for good, each with the probability Chance, 0 to 1. Chance
	// 0 means 1.
	Lose   bool
	Chance float64
	// Extra is the number of credits that each event returns beyond the right
	// number.
	Extra int
}

func (c CreditFault) installFault(f *faults) {
	kept := f.credits[:0]
	for _, old := range f.credits {
		if old.Peer != c.Peer {
			kept = append(kept, old)
		}
	}
	if f.credits = kept; c.Withhold || c.Lose || c.Extra != 0 {
		f.credits = append(f.credits, &c)
	}
}

// limitCreditFault ends the newest CreditFault, if it lasts for a time only.
func (c *Controller) limitCreditFault() {
	n := len(c.faults.credits)
	if n == 0 || c.faults.credits[n-1].For <= 0 {
		return
	}
	f := c.faults.credits[n-1]
	c.air.arm(&timer{fire: func() {
		if slices.Contains(c.faults.credits, f) {
			CreditFault{Peer: f.Peer}.installFault(&c.faults)
			c.flushCredits()
		}
	}}, c.air.now.plus(f.For))
}

// creditFault returns the fault of a link's credits, or nil.
func (c *Controller) creditFault(h hci.Handle) (fault *CreditFault) {
	if len(c.faults.credits) == 0 {
		return nil
	}
	k := c.connOf(h)
	for _, f := range c.faults.credits {
		if f.Peer == (hci.Addr{}) && fault == nil || k != nil && f.Peer == k.peer.Identity() {
			fault = f
		}
	}
	return fault
}

// returnCredit returns a buffer to the host, now or later.
func (c *Controller) returnCredit(h hci.Handle) {
	if f := c.creditFault(h); f != nil && f.Lose && (f.Chance == 0 || c.air.chance(f.Chance)) {
		return
	}
	n := 0
	found := false
	for i := range c.done {
		if c.done[i].Handle == h {
			c.done[i].Count++
			found = true
		}
		n += int(c.done[i].Count)
	}
	if !found {
		c.done = append(c.done, hci.CompletedPackets{Handle: h, Count: 1})
		n++
	}
	switch mode := c.cfg.Completed; {
	case mode == CompletedOneByOne,
		mode != CompletedAtEventEnd && 2*n >= c.cfg.aclNum(),
		mode == CompletedByHalf && c.held == 0:
		c.flushCredits()
	}
}

// eventClosed implements owner.
func (c *Controller) eventClosed(*endpoint) {
	if c.cfg.Completed != CompletedByHalf {
		c.flushCredits()
	}
}

// flushCredits sends the credits that no fault keeps.
func (c *Controller) flushCredits() {
	if len(c.done) == 0 {
		return
	}
	if len(c.faults.credits) == 0 {
		c.completed.Counts = c.done
		c.done = c.done[:0]
		c.sendEvent(&c.completed)
		return
	}
	var kept, counts []hci.CompletedPackets
	for _, n := range c.done {
		f := c.creditFault(n.Handle)
		if f != nil && f.Withhold {
			kept = append(kept, n)
			continue
		}
		if f != nil {
			n.Count += uint16(f.Extra)
		}
		counts = append(counts, n)
	}
	c.done = kept
	if len(counts) > 0 {
		c.completed.Counts = counts
		c.sendEvent(&c.completed)
	}
}
