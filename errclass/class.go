package errclass

import (
	"fmt"
	"strings"
	"time"
)

// Category is the final meaning of a failure, once no attempt is left.
type Category uint8

// The categories.
const (
	None       Category = iota // no error
	NotFound                   // no adapter hears the device
	OutOfSlots                 // no adapter has a free connection
	Aborted                    // the radio contact broke, for example by distance
	Connection                 // any other failure of a connection
	BondLost                   // the two sides do not have the same keys
	Fatal                      // the same call would fail again
	Canceled                   // the caller ended it
)

// String returns the category in lower case.
func (c Category) String() string {
	return name(int(c), "category", "none", "not found", "out of slots", "aborted", "connection", "bond lost", "fatal", "canceled")
}

// Budget is the number of attempts that a failed attempt counts against.
type Budget uint8

// The budgets. Timeouts and connect errors share the number of attempts.
const (
	// BudgetNone allows no further attempt after those of Class.Redial.
	BudgetNone Budget = iota
	// BudgetTimeout counts as a timeout.
	BudgetTimeout
	// BudgetConnect counts as a connect error.
	BudgetConnect
	// BudgetTransient counts as a transient error. More of these are allowed.
	BudgetTransient
)

// String returns the budget in lower case.
func (b Budget) String() string {
	return name(int(b), "budget", "none", "timeouts", "connect errors", "transients")
}

// Delay is a kind of wait after a failed attempt. [Backoffs] has its length.
type Delay uint8

// The delays, by their use.
const (
	DelayNone       Delay = iota // no wait
	DelayShort                   // an error that says little
	DelayTransient               // a failure that usually passes
	DelayStack                   // a stack or adapter that needs time to clean up
	DelayMedium                  // a link that was lost or did not come up
	DelayLong                    // a failure without a reason
	DelayOutOfSlots              // no free connection, or no device in reach
)

// String returns the delay in lower case.
func (d Delay) String() string {
	return name(int(d), "delay", "none", "short", "transient", "stack", "medium", "long", "out of slots")
}

// Backoffs holds the length of each Delay.
type Backoffs struct {
	Short, Transient, Stack, Medium, Long, OutOfSlots time.Duration
}

// DefaultBackoffs returns the delays of bleak-retry-connector, which come from
// experience in the field: 0.1 s, 0.25 s, 0.25 s, 0.5 s, 1 s and 4 s.
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

// For returns the length of a Delay; 0 for an unknown one.
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

// Action is a set of measures to take before the next attempt.
type Action uint16

// The actions.
const (
	LowerLimit     Action = 1 << iota // the adapter carries fewer links than assumed
	AwaitSlot                         // try again when a link of the adapter ends
	RecoverAdapter                    // reset or reopen the adapter
	OtherAdapter                      // prefer another adapter
	Rediscover                        // drop the cached table of the peer and discover it
	CloseLink                         // the link is unusable: end it
	CheckBond                         // the keys do not match: pair again
	Secure                            // encrypt, or pair, and repeat the operation
	RelaxParams                       // ask for a longer interval or supervision timeout
	Adopt                             // use the link that exists already
	StopScan                          // end a scan or another dial of the adapter first
)

// Has reports whether all of b are in a.
func (a Action) Has(b Action) bool { return a&b == b }

// String lists the actions, such as "lower limit, await slot"; "none" for none.
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

// name returns the i-th name, or the number of a value without a name.
func name(i int, kind string, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s 0x%02x", kind, i)
}

// Redial is the number of repetitions within one attempt that do not count as
// failed attempts, and the wait before each. Each attempt starts with the full
// number.
type Redial struct {
	Times int
	Wait  time.Duration
}

// Class tells how to treat an error. The zero Class is that of nil.
type Class struct {
	// Row is the name of the row of the table that matches the error;
	// [Unclassified] if none does.
	Row      string
	Category Category
	Redial   Redial
	// Budget is the budget that the failure counts against once Redial is used up.
	Budget Budget
	// Delay is the wait before the next attempt, and Backoff its default length. News
	// of the device, of the adapter or of a free slot may end the wait early.
	Delay   Delay
	Backoff time.Duration
	// OpDelay is the wait before a single operation is repeated on the same link.
	OpDelay Delay
	Action  Action
	// Kind is the Python class of the error that bleak-retry-connector sees in the
	// same situation.
	Kind Kind
	// Advice tells the user what to do, as a clause without a full stop. It may be
	// empty.
	Advice string
}

// Unclassified is the Row of errors that no row matches.
const Unclassified = "unclassified"

// Transient reports whether the failure counts against the transient budget.
func (c Class) Transient() bool { return c.Budget == BudgetTransient }

// Retried reports whether another attempt follows while its budget lasts.
func (c Class) Retried() bool { return c.Budget != BudgetNone }
