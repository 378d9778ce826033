package att

import "fmt"

// Handle identifies one attribute of a server (Vol 3, Part F, 3.2.2). Valid
// handles are 0x0001 to 0xFFFF. They do not change during a connection, unless
// the server indicates Service Changed.
type Handle uint16

const (
	// HandleNone is the reserved handle 0x0000. Error Responses carry it if the
	// request named no attribute.
	HandleNone Handle = 0x0000
	// HandleMin is the lowest handle that an attribute can have.
	HandleMin Handle = 0x0001
	// HandleMax is the highest handle that an attribute can have.
	HandleMax Handle = 0xFFFF
)

// String returns the handle as four hexadecimal digits, such as "0x002a".
func (h Handle) String() string { return fmt.Sprintf("0x%04x", uint16(h)) }

// HandleRange is a range of handles, including both ends.
type HandleRange struct {
	Start, End Handle
}

// Valid reports whether a request may name the range: it starts above 0x0000 and
// does not end before its start.
func (r HandleRange) Valid() bool { return r.Start != HandleNone && r.Start <= r.End }

// Contains reports whether h lies in the range.
func (r HandleRange) Contains(h Handle) bool { return r.Start <= h && h <= r.End }

// String returns both ends, such as "0x0001-0x0005".
func (r HandleRange) String() string { return r.Start.String() + "-" + r.End.String() }
