package errclass

import (
	"fmt"
	"strings"
	"time"
)

// Category is what a failure means to whoever wanted the connection, once no
// attempt is left.
type Category uint8

// The categories.
const (
	None       Category = iota // no error
	NotFound                   // the device is not heard
	OutOfSlots                 // no adapter has a free connection
	Aborted                    // the contact broke, as by interference or distance
	Connection                 // any other failure to connect or to talk
	BondLost                   // the two sides do not have the same keys anymore
	Fatal                      // the same call fails again: it asks for what cannot be
	Canceled                   // someone on this side wanted it to end
)

// String returns the category in lower case.
func (c Category) String() string {
	return name(int(c), "category", "none", "not found", "out of slots", "aborted", "connection", "bond lost", "fatal", "canceled")
}

// Budget is what a failed attempt counts against.
type Budget uint8

// The budgets. Timeouts and connect errors share the number of attempts.
const (
	// BudgetNone spends nothing: it is tried again as often as Redial says, and
	// not more.
	BudgetNone Budget = iota
	// BudgetTimeout counts as a timeout.
	BudgetTimeout
	// BudgetConnect counts as a connect error.
	BudgetConnect
	// BudgetTransient counts as a transient error, of which more are allowed.
	BudgetTransient
)

// String returns the budget in lower case.
func (b Budget) String() string {
	return name(int(b), "budget", "none", "timeouts", "connect errors", "transients")
}

// Delay names how long to wait after a failed attempt. Its length is that of
// [Backoffs], where a user may change it.
type Delay uint8

// The delays, by what they are for.
const (
	DelayNone       Delay = iota // none
	DelayShort                   // errors that are not known better
	DelayTransient               // failures that usually pass
	DelayStack                   // a stack or adapter that has to clean up
	DelayMedium                  // a link that was lost or did not come up
	DelayLong                    // a failure without a reason
	DelayOutOfSlots              // no free connection, or no device
)

// String returns the delay in lower case.
func (d Delay) String() string {
	return name(int(d), "delay", "none", "short", "transient", "stack", "medium", "long", "out of slots")
}

// Backoffs is how long each Delay takes.
type Backoffs struct {
	Short, Transient, Stack, Medium, Long, OutOfSlots time.Duration
}

// DefaultBackoffs returns the delays of bleak-retry-connector, which were found
// in the field: 0.1 s, 0.25 s, 0.25 s, 0.5 s, 1 s and 4 s.
func DefaultBackoffs() Backoffs {
	return Backoffs{
		Short:      100 * time.Millisecond,
		Transient:  250 * time.Millisecond,
		Stack:      250 * time.Millisecond,
		Medium:     500 * time.Millisecond,
		Long:       time.Second,
		OutOfSlots: 4 * time.Second,
	}
}

// For returns how long a Delay takes; 0 for an unknown one.
func (b Backoffs) For(d Delay) time.Duration {
	switch d {
	case DelayShort:
		return b.Short
	case DelayTransient:
		return b.Transient
	case DelayStack:
		return b.Stack
	case DelayMedium:
		return b.Medium
	case DelayLong:
		return b.Long
	case DelayOutOfSlots:
		return b.OutOfSlots
	case DelayNone:
	}
	return 0
}

// Action is a set of things to do before the next try.
type Action uint16

// The actions.
const (
	LowerLimit     Action = 1 << iota // the adapter carries fewer links than believed
	AwaitSlot                         // try when a link of the adapter ends, not after a fixed time
	RecoverAdapter                    // reset or reopen the adapter
	OtherAdapter                      // prefer another adapter
	Rediscover                        // drop what is cached of the peer's table and discover it
	CloseLink                         // the link is of no use anymore
	CheckBond                         // the keys do not fit: pair again
	Secure                            // encrypt, or pair, and repeat the operation
	RelaxParams                       // ask for a longer interval or supervision timeout
	Adopt                             // look for the link that exists already
	StopScan                          // end a scan or another dial of the adapter first
)

// Has reports whether all of b are in a.
func (a Action) Has(b Action) bool { return a&b == b }

// String lists the actions, as "lower limit, await slot"; "none" for none.
func (a Action) String() string {
	var names []string
	for i := range 16 {
		if bit := Action(1) << i; a&bit != 0 {
			names = append(names, name(i, "action", "lower limit", "await slot", "recover adapter", "other adapter", "rediscover",
				"close link", "check bond", "secure", "relax parameters", "adopt", "stop scan"))
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// name returns the i-th name, or the number of one that has none.
func name(i int, kind string, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s 0x%02x", kind, i)
}

// Redial says how often an attempt may do the same again without being counted
// as failed, and after what wait. It starts anew with each attempt.
type Redial struct {
	Times int
	Wait  time.Duration
}

// Class is what to do about an error. The zero Class is that of nil.
type Class struct {
	// Row is the row of the table that knows the error; [Unclassified] if none
	// does.
	Row      string
	Category Category
	Redial   Redial
	// Budget is what the failure counts against when Redial is used up.
	Budget Budget
	// Delay is the wait before the next attempt, and Backoff its default length.
	// Any news of the device, of the adapter or of a free slot may cut it short.
	Delay   Delay
	Backoff time.Duration
	// OpDelay is the wait before a single operation is repeated on its own.
	OpDelay Delay
	Action  Action
	// Kind is the class of the error that bleak-retry-connector sees in the same
	// situation.
	Kind Kind
	// Advice says what the user can do, as a clause without a full stop; empty
	// where nothing is known.
	Advice string
}

// Unclassified is the Row of errors that the table does not know.
const Unclassified = "unclassified"

// Transient reports whether the failure counts against the transient budget.
func (c Class) Transient() bool { return c.Budget == BudgetTransient }

// Retried reports whether another attempt follows as long as its budget lasts.
func (c Class) Retried() bool { return c.Budget != BudgetNone }
