package connmgr

import (
	"fmt"
	"time"
)

// Rung is a means to bring back an adapter that does not work. An adapter that has a
// link of the Manager is never touched.
type Rung uint8

// The rungs, the mildest first. The documentation of the package has those below.
const (
	// RungReopen closes the transport of the adapter and opens it again, which resets
	// the controller.
	RungReopen Rung = iota + 1
	// RungPowerCycle has the system switch the adapter off and on. The driver sets the
	// controller up anew, as far as it does so without a new plug.
	RungPowerCycle
	// RungUSBReset resets the port of the adapter. The adapter is removed and added again,
	// with its firmware loaded anew.
	RungUSBReset
)

// String returns the rung in words, such as "power cycle".
func (r Rung) String() string {
	switch r {
	case RungReopen:
		return "reopen"
	case RungPowerCycle:
		return "power cycle"
	case RungUSBReset:
		return "USB reset"
	}
	return fmt.Sprintf("rung 0x%02x", uint8(r))
}

// pauses are the waits before the tries in a row to open an adapter: the first try is made
// at once, as is the first after a failure.
var pauses = []time.Duration{0, 0, 250 * time.Millisecond, time.Second, 4 * time.Second, 15 * time.Second, 30 * time.Second}

// reopenings is the number of tries in a row that have to fail before a step is taken.
const reopenings = 3

// worksAfter is how long an adapter has to work for its next failure to be the first one.
const worksAfter = time.Minute

// step is a step of the ladder above RungReopen. It is taken before a try to open the
// adapter, once at most until the adapter works.
type step struct {
	rung Rung
	rest time.Duration // the least time since the step before
}

// steps are the steps, in their order. After the last one, an adapter is only opened again.
var steps = []step{
	{RungPowerCycle, 0},
	{RungPowerCycle, 0},
	{RungUSBReset, 0},
	{RungUSBReset, time.Minute},
	{RungUSBReset, 4 * time.Minute},
	{RungUSBReset, 16 * time.Minute},
	{RungUSBReset, time.Hour},
}

// proof is the sign of work that a controller owes after it was reset for the lack of it.
// Until it is given, time alone does not show that the adapter works.
type proof uint8

const (
	proofNone   proof = iota
	proofLink         // dials have failed: a link is made
	proofData         // data has been kept: a Client is ready
	proofScan         // scans were refused: one begins
	proofReport       // the scan has been silent: there is a report
)

// climb is the state of the recovery of an adapter: the place on the ladder. Its zero
// value is that of an adapter that works.
type climb struct {
	// tries is the number of tries in a row to open the adapter after which it has not
	// worked.
	tries int
	next  int       // the index of the next step
	taken time.Time // when the last step was taken
	owed  proof
	// idle is set if no step could be taken when one was due.
	idle bool
}

// pause returns the wait before the next try.
func (c climb) pause() time.Duration { return pauses[min(c.tries, len(pauses)-1)] }

// dueStep returns the index of the step that is due now; ok is false if none is.
func (c climb) dueStep(now time.Time) (i int, ok bool) {
	if c.next == len(steps) || now.Sub(c.taken) < steps[c.next].rest {
		return 0, false
	}
	return c.next, true
}

// nextRung returns the index of the first step of the rung above that of step i.
func nextRung(i int) int {
	rung := steps[i].rung
	for i < len(steps) && steps[i].rung == rung {
		i++
	}
	return i
}
