package hci

import "fmt"

// PacketError says that a packet cannot be decoded, or what stands in it
// contradicts itself. It unwraps to the cause, if there is one beyond What.
type PacketError struct {
	What string // which packet, by its spec name, and what is wrong with it
	Data []byte // a copy of its first octets, at most 32
	Err  error  // such as wire.ErrShort; may be nil
}

// maxErrorData bounds what a PacketError keeps of the packet.
const maxErrorData = 32

// NewPacketError returns a *PacketError with a copy of the first octets of
// data; err may be nil.
func NewPacketError(what string, data []byte, err error) *PacketError {
	return &PacketError{What: what, Data: append([]byte(nil), data[:min(len(data), maxErrorData)]...), Err: err}
}

// Error names the packet, what is wrong and its first octets.
func (e *PacketError) Error() string {
	s := "hci: " + e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s [% x]", s, e.Data)
}

// Unwrap returns Err.
func (e *PacketError) Unwrap() error { return e.Err }

// ParamError says that a value cannot be put into a command.
type ParamError struct {
	Op    Opcode // the command; 0 if the value was checked apart from one
	Field string // the name that the spec gives to the parameter
	Value string // what was given, with its unit
	Want  string // what is allowed
}

// Error names the command, the parameter, its value and what is allowed.
func (e *ParamError) Error() string {
	s := "hci: "
	if e.Op != 0 {
		s += e.Op.String() + ": "
	}
	return s + e.Field + " is " + e.Value + ", want " + e.Want
}
