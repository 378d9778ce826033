package hci

import "fmt"

// PacketError means that a packet cannot be decoded, or that its content contradicts
// itself.
type PacketError struct {
	What string // the packet by its name in the specification, and the fault
	Data []byte // a copy of its first octets, at most 32
	Err  error  // the cause, such as wire.ErrShort; may be nil
}

// maxErrorData bounds the octets that a PacketError keeps.
const maxErrorData = 32

// NewPacketError returns a *PacketError with a copy of the first octets of
// data; err may be nil.
func NewPacketError(what string, data []byte, err error) *PacketError {
	return &PacketError{What: what, Data: append([]byte(nil), data[:min(len(data), maxErrorData)]...), Err: err}
}

// Error returns the packet, the fault and the first octets.
func (e *PacketError) Error() string {
	s := "hci: " + e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s [% x]", s, e.Data)
}

// Unwrap returns Err.
func (e *PacketError) Unwrap() error { return e.Err }

// ParamError means that a value is not allowed in a command.
type ParamError struct {
	Op    Opcode // the command; 0 if the value was checked without a command
	Field string // the name of the parameter in the specification
	Value string // the value, with its unit
	Want  string // the allowed values
}

// Error returns the command, the parameter, its value and the allowed values.
func (e *ParamError) Error() string {
	s := "hci: "
	if e.Op != 0 {
		s += e.Op.String() + ": "
	}
	return s + e.Field + " is " + e.Value + ", want " + e.Want
}
