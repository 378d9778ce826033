package slots

import "fmt"

// Change is the kind of an Event: a slot was allocated or released.
type Change uint8

// The changes.
const (
	Allocated Change = 1
	Released  Change = 2
)

// String returns "allocated", "released" or the number of another value.
func (c Change) String() string {
	switch c {
	case Allocated:
		return "allocated"
	case Released:
		return "released"
	}
	return fmt.Sprintf("change 0x%02x", uint8(c))
}

// Event is the change of one slot, and the usage of its adapter after it.
type Event struct {
	Change  Change `json:"change"`
	Adapter string `json:"adapter"`
	Address string `json:"address"`
	Slots   Count  `json:"slots"`
	Used    int    `json:"used"`
	Free    Count  `json:"free"` // Unknown if Slots is
	// Dropped is the number of events lost just before this one, because too many
	// waited for the subscriber. If it is not 0, the subscriber must read the
	// state again, from Usage, Allocations or Diagnostics.
	Dropped uint64 `json:"dropped,omitempty"`
}
