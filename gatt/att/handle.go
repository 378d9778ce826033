package att

import "fmt"

// Handle names one attribute of a server (Vol 3, Part F, 3.2.2). Valid handles
// run from 0x0001 to 0xFFFF and do not change during a connection, except
// where the server says so with Service Changed.
type Handle uint16

const (
	// HandleNone is the reserved handle 0x0000, which no attribute has. Error
	// responses carry it where the request named none.
	HandleNone Handle = 0x0000
	// HandleMin is the lowest handle that an attribute can have.
	HandleMin Handle = 0x0001
	// HandleMax is the highest handle that an attribute can have.
	HandleMax Handle = 0xFFFF
)

// String returns the handle as four hexadecimal digits: "0x002a".
func (h Handle) String() string { return fmt.Sprintf("0x%04x", uint16(h)) }

// HandleRange is a range of handles, both ends included.
type HandleRange struct {
	Start, End Handle
}

// Valid reports whether the range can be asked for: it starts above 0x0000 and
// does not end before it starts.
func (r HandleRange) Valid() bool { return r.Start != HandleNone && r.Start <= r.End }

// Contains reports whether h lies in the range.
func (r HandleRange) Contains(h Handle) bool { return r.Start <= h && h <= r.End }

// String returns both ends: "0x0001-0x0005".
func (r HandleRange) String() string { return r.Start.String() + "-" + r.End.String() }
