package slots

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Count is a number of slots, or Unknown.
type Count int

// Unknown is the Count of an adapter whose limit is not known: it may have room
// for one more. It is null in JSON.
const Unknown Count = -1

// String returns the number, or "unknown".
func (c Count) String() string {
	if c < 0 {
		return "unknown"
	}
	return strconv.Itoa(int(c))
}

// MarshalJSON writes a number, or null.
func (c Count) MarshalJSON() ([]byte, error) {
	if c < 0 {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(c), 10), nil
}

// UnmarshalJSON reads the format that MarshalJSON writes.
func (c *Count) UnmarshalJSON(b []byte) error {
	var n *uint16
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("slots: %s is no number of slots: %w", b, err)
	}
	*c = Unknown
	if n != nil {
		*c = Count(*n)
	}
	return nil
}
