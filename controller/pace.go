package controller

import (
	"errors"
	"sync/atomic"
)

// maxOutstanding bounds the commands that the controller has not answered yet. Four of
// them are enough for a start-up whose answers depend on each other, and few enough for
// the buffers of cheap controllers, whatever number these grant.
const maxOutstanding = 4

// Pace remembers whether a controller must be driven one command at a time.
//
// One command is outstanding at first. Once the controller has answered Reset, Read Local
// Version Information and Read Local Supported Commands well, up to four are, as many as
// it grants, in the same order (Vol 4, Part E, 4.4). A controller that then answers out of
// order, too short or not at all is reset once and driven one command at a time, also by the
// next Open with its Pace. A controller that grants one command is driven so anyway.
//
// One Pace belongs to one controller and serves each Open of it. The zero value remembers
// nothing. Its methods may be called from any goroutine.
type Pace struct{ slow atomic.Bool }

// OneAtATime reports whether the controller must be driven one command at a time.
func (p *Pace) OneAtATime() bool { return p.slow.Load() }

// pacing decides how many commands may be outstanding. It begins with one. The start-up
// raises the number once the controller has answered its first three commands, and goes
// back to one when the controller then fails: it resets the controller and begins again.
// Clones of controllers grant more commands than they can hold, and lose some of them or
// the count.
type pacing struct {
	c     *core
	pace  *Pace
	fault error // for which the start-up begins again; nil if there is none
}

// errOutOfOrder means that the controller answered a command before an earlier one.
var errOutOfOrder = errors.New("answered before an earlier command")

// errShort means that an answer of the controller has fewer return parameters than its
// command demands.
var errShort = errors.New("the answer is too short")

// crowdError is the failure of a controller to answer while several commands were
// outstanding.
type crowdError struct{ err error }

func (e *crowdError) Error() string { return e.err.Error() }

func (e *crowdError) Unwrap() error { return e.err }

// raise lets several commands be outstanding, as many as the controller grants.
func (p *pacing) raise() {
	if !p.pace.OneAtATime() {
		p.c.cmds.window = maxOutstanding
		p.c.cmds.refill()
	}
}

// slowDown limits the controller to one command at a time, for now and for later Opens.
func (p *pacing) slowDown() {
	p.pace.slow.Store(true)
	p.c.cmds.window = 1
	p.c.cmds.refill()
}

// noteFault records that the controller has failed to answer a command properly, if that
// happens during the start-up. If several commands were outstanding, they are the likely
// reason: all commands are forgotten, and noteFault returns true. In the remainder of the
// start-up, which sends one command at a time, it is only remembered.
func (p *pacing) noteFault(err error) bool {
	c := p.c
	if c.started || c.err != nil {
		if !c.remainder.isDone() {
			p.slowDown()
		}
		return false
	}
	crowded := c.cmds.crowded
	p.slowDown()
	if !crowded || p.fault != nil {
		return p.fault != nil
	}
	p.fault = &crowdError{err}
	c.log.Log(c.ctx, LevelController, "several commands at a time are too many, started again one at a time", "error", p.fault)
	c.forgetCommands(p.fault)
	return true
}

// takeFault returns the fault for which the start-up begins again, once.
func (p *pacing) takeFault() error {
	fault := p.fault
	p.fault = nil
	return fault
}
