package sim

import (
	"fmt"
	"slices"
)

var triggerNames = [...]string{
	"link", "request", "subscribe", "data-length", "phy", "params", "encryption", "security-refused",
}

var reactionNames = [...]string{
	"answer", "hang-up", "fall-silent", "crash", "stall", "ignore", "refuse", "answer-twice", "send-first", "send-instead",
}

// String returns the trigger's name, such as "request".
func (t Trigger) String() string { return nameOf(triggerNames[:], int(t)) }

// String returns the reaction's name, such as "hang-up".
func (r Reaction) String() string { return nameOf(reactionNames[:], int(r)) }

// MarshalText implements encoding.TextMarshaler.
func (t Trigger) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (r Reaction) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Trigger) UnmarshalText(b []byte) error {
	i := slices.Index(triggerNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("sim: no trigger %q: there are %q", b, triggerNames)
	}
	*t = Trigger(i)
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Reaction) UnmarshalText(b []byte) error {
	i := slices.Index(reactionNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("sim: no reaction %q: there are %q", b, reactionNames)
	}
	*r = Reaction(i)
	return nil
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%#02x", i)
}

// Choices returns the names of the triggers.
func (Trigger) Choices() []string { return slices.Clone(triggerNames[:]) }

// Choices returns the names of the reactions.
func (Reaction) Choices() []string { return slices.Clone(reactionNames[:]) }
