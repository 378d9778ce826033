package sim

import "time"

// EventFault spoils events of one kind.
type EventFault struct {
	// Code is the event code, Subevent that of an LE event (Code 0x3E).
	Code, Subevent uint8
	// Times is the number of events that it spoils; 0 means one. The first Skip
	// events pass.
	Times, Skip int
	// Chance is the probability, 0 to 1, with which it spoils an event. 0 means 1.
	// An event that it leaves alone does not count for Times.
	Chance float64
	// MinLinks restricts it to times at which at least so many links are up.
	MinLinks int

	// Drop loses the event. The controller's state changes as if it was sent.
	Drop bool
	// Delay makes the event late.
	Delay time.Duration
	// Copies are sent in addition.
	Copies int
}

func (e EventFault) installFault(f *faults) { f.events = append(f.events, &e) }

// takeEventFault returns the fault that spoils an event, or nil.
func (c *Controller) takeEventFault(code, sub uint8) *EventFault {
	return takeFault(c, &c.faults.events,
		func(f *EventFault) bool { return f.Code == code && f.Subevent == sub },
		func(f *EventFault) limits { return limits{&f.Times, &f.Skip, f.Chance, f.MinLinks} })
}
