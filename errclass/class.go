package errclass

import (
	"fmt"
	"strings"
	"time"
)

// Category is the meaning of a failure for the caller once no attempt is left.
type Category uint8

// The categories.
const (
	None       Category = iota // no error
	NotFound                   // the device was not heard
	OutOfSlots                 // no adapter has a free connection
	Aborted                    // the contact broke, by interference, distance or a hang-up
	Connection                 // any other failure to connect or to talk
	BondLost                   // the two sides no longer have the same keys
	Fatal                      // the same call would fail again
	Canceled                   // this side ended it on purpose
)

// String returns the category in lower case.
func (c Category) String() string {
	return name(int(c), "category", "none", "not found", "out of slots", "aborted", "connection", "bond lost", "fatal", "canceled")
}

// Budget is the limit on attempts that a failure uses up.
type Budget uint8

// The budgets. Timeouts and connect errors share the number of attempts.
const (
	// BudgetNone allows no further attempt: only Redial repeats.
	BudgetNone Budget = iota
	// BudgetTimeout counts as a timeout.
	BudgetTimeout
	// BudgetConnect counts as a connect error.
	BudgetConnect
	// BudgetTransient counts as a transient error, of which more are allowed.
	BudgetTransient
	// BudgetAdapter counts nothing: the adapter went away. After its delay, the next
	// attempt waits until an adapter is up.
	BudgetAdapter
)

// String returns the budget in lower case.
func (b Budget) String() string {
	return name(int(b), "budget", "none", "timeouts", "connect errors", "transients", "adapter")
}

// Delay names the wait after a failed attempt. [Backoffs] has its length.
type Delay uint8

// The delays, by the failures that they follow.
const (
	DelayNone       Delay = iota // no wait
	DelayShort                   // any other error
	DelayTransient               // a failure that usually passes
	DelayStack                   // a stack or adapter that has to clean up
	DelayMedium                  // a link that was lost or did not come up
	DelayLong                    // a failure without a reason
	DelayOutOfSlots              // no free connection, or no device
)

// String returns the delay in lower case.
func (d Delay) String() string {
	return name(int(d), "delay", "none", "short", "transient", "stack", "medium", "long", "out of slots")
}

// Backoffs is the length of each Delay.
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

// Action is a set of steps that connmgr takes before the next attempt.
type Action uint16

// The actions, each with the step of connmgr.
const (
	// LowerLimit: counts a refusal against the number of links that the adapter is
	// believed to carry.
	LowerLimit Action = 1 << iota
	// AwaitSlot: ends the wait when a link of the adapter ends, instead of when the
	// device is heard.
	AwaitSlot
	// RecoverAdapter: counts a fault of the adapter, and resets it after several.
	RecoverAdapter
	// OtherAdapter: ranks every other adapter that can reach the device before this
	// one in the next attempt.
	OtherAdapter
	// Rediscover: drops the cached table of the device and discovers it again, on
	// the same link if that is up.
	Rediscover
	// CheckBond: with Options.Repair, pairs again on the next link and replaces the
	// bond. If the category is not BondLost, the sign is weak: connmgr then pairs
	// only after two such failures in a row, of the same row.
	CheckBond
	// Secure: encrypts the link if there is a bond, or pairs if Options.Pair is set,
	// and repeats the operation once.
	Secure
	// RelaxParams: in the next dial to the device, asks for a longer interval and
	// supervision timeout.
	RelaxParams
	// Adopt: asks the controller about its links, and ends those that only one side
	// has, so that the next dial succeeds. connmgr shares its own links before it
	// dials, and those of others not at all.
	Adopt
)

// Has reports whether all of b are in a.
func (a Action) Has(b Action) bool { return a&b == b }

// String lists the actions, as "lower limit, await slot"; "none" for none.
func (a Action) String() string {
	var names []string
	for i := range 16 {
		if bit := Action(1) << i; a&bit != 0 {
			names = append(names, name(i, "action", "lower limit", "await slot", "recover adapter", "other adapter", "rediscover",
				"check bond", "secure", "relax parameters", "adopt"))
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// name returns the i-th name; for a value without a name, its number.
func name(i int, kind string, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s 0x%02x", kind, i)
}

// Redial allows an attempt to repeat a failed step a number of times before it
// counts as failed. Each attempt has its own count.
type Redial struct {
	Times int
	Wait  time.Duration // before each repetition
}

// Class is the treatment of an error. The zero Class is that of nil.
type Class struct {
	// Row is the name of the matching row of the table; [Unclassified] if there is
	// none.
	Row      string
	Category Category
	Redial   Redial
	// Budget is the limit that the failure uses up, once Redial is used up.
	Budget Budget
	// Delay is the wait before the next attempt, and Backoff its default length.
	Delay   Delay
	Backoff time.Duration
	// OpDelay is the wait before a single operation is repeated on its own.
	OpDelay Delay
	Action  Action
	// Kind is the class of the error that bleak-retry-connector sees in the same
	// situation.
	Kind Kind
	// Advice tells the user what to do, as a clause without a full stop; empty if
	// there is none.
	Advice string
}

// Unclassified is the Row of errors without a row in the table.
const Unclassified = "unclassified"

// Transient reports whether the failure counts against the transient budget.
func (c Class) Transient() bool { return c.Budget == BudgetTransient }

// Retried reports whether another attempt follows while the budget lasts.
func (c Class) Retried() bool { return c.Budget != BudgetNone }
