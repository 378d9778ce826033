package connmgr

import (
	"time"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// describeFailure completes the record of an attempt that has failed: the device that it
// was for, and the situation. l is its link; nil if it had none.
func (x *attempts) describeFailure(at Attempt, l *link) Attempt {
	at.Address, at.linked = x.address, l != nil
	in := &errclass.Situation{Phase: x.classPhase(at.Phase), Adapter: at.Adapter, Heard: x.describeHeard()}
	if l != nil {
		l.mu.Lock()
		in.Cached = l.cached
		l.mu.Unlock()
		if sm := l.conn.SMP(); sm != nil {
			// With a bond, encryption begins with the link.
			in.Encrypted, in.SecurityRefused = sm.Security().Bonded, sm.SecurityRefused()
		}
	}
	at.Situation = in
	return at
}

// describeHeard returns the last report of the device by any adapter.
func (x *attempts) describeHeard() (h errclass.Heard) {
	now := time.Now()
	if d, ok := x.m.devices.latestOf(x.target, false); ok {
		return errclass.Heard{
			Adapter: d.Adapter, Ago: now.Sub(d.Seen), Connectable: d.Connectable || now.Sub(d.accepts) < refusesFor,
		}
	}
	other := target{addr: hci.Addr{MAC: x.target.addr.MAC}}
	if d, ok := x.m.devices.latestOf(other, false); ok {
		return errclass.Heard{Adapter: d.Adapter, Ago: now.Sub(d.Seen), Connectable: d.Connectable, Other: d.Addr}
	}
	return h
}

// classPhase returns a phase of the present try as package errclass knows it.
func (x *attempts) classPhase(p Phase) errclass.Phase {
	switch p {
	case PhasePath, PhaseSlot:
		return errclass.PhaseSlot
	case PhaseDial:
		return errclass.PhaseDial
	case PhaseSecure:
		return errclass.PhaseSecure
	case PhaseDiscover:
		if x.try.step == StepMTU {
			return errclass.PhaseMTU
		}
		return errclass.PhaseDiscover
	case PhaseReady:
		return errclass.PhaseUse
	}
	return errclass.PhaseUnknown
}
