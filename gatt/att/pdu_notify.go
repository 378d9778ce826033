package att

import (
	"iter"

	"github.com/moor-ble/moor/internal/wire"
)

// HandleValueNotification sends a value to the client, without an answer (Vol 3,
// Part F, 3.4.7.1).
type HandleValueNotification struct {
	Handle Handle
	Value  []byte // at most ATT_MTU-3 octets
}

// Opcode returns OpHandleValueNotification.
func (HandleValueNotification) Opcode() Opcode { return OpHandleValueNotification }

// AppendPDU appends the PDU.
func (p HandleValueNotification) AppendPDU(b []byte) []byte {
	return appendValue(append(b, byte(OpHandleValueNotification)), p.Handle, p.Value)
}

func readHandleValueNotification(r *wire.Reader) (HandleValueNotification, error) {
	p := HandleValueNotification{Handle: Handle(r.U16()), Value: r.Rest()}
	return p, r.Finish()
}

// HandleValueIndication sends a value to the client, which confirms it (Vol 3,
// Part F, 3.4.7.2).
type HandleValueIndication struct {
	Handle Handle
	Value  []byte // at most ATT_MTU-3 octets
}

// Opcode returns OpHandleValueIndication.
func (HandleValueIndication) Opcode() Opcode { return OpHandleValueIndication }

// AppendPDU appends the PDU.
func (p HandleValueIndication) AppendPDU(b []byte) []byte {
	return appendValue(append(b, byte(OpHandleValueIndication)), p.Handle, p.Value)
}

func readHandleValueIndication(r *wire.Reader) (HandleValueIndication, error) {
	p := HandleValueIndication{Handle: Handle(r.U16()), Value: r.Rest()}
	return p, r.Finish()
}

// HandleValueConfirmation answers a HandleValueIndication (Vol 3, Part F,
// 3.4.7.3).
type HandleValueConfirmation struct{}

// Opcode returns OpHandleValueConfirmation.
func (HandleValueConfirmation) Opcode() Opcode { return OpHandleValueConfirmation }

// AppendPDU appends the PDU.
func (HandleValueConfirmation) AppendPDU(b []byte) []byte {
	return append(b, byte(OpHandleValueConfirmation))
}

func readHandleValueConfirmation(r *wire.Reader) (HandleValueConfirmation, error) {
	return HandleValueConfirmation{}, r.Finish()
}

// MultipleHandleValueNotification sends several values in one PDU to a client
// that supports it (Vol 3, Part F, 3.4.7.4; since Core 5.2). Add builds it, All
// iterates over it.
type MultipleHandleValueNotification struct {
	Data []byte // handle, length and value of each, encoded
}

// Opcode returns OpMultipleHandleValueNotification.
func (MultipleHandleValueNotification) Opcode() Opcode { return OpMultipleHandleValueNotification }

// AppendPDU appends the PDU.
func (p MultipleHandleValueNotification) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpMultipleHandleValueNotification)), p.Data...)
}

// Add appends a value and reports whether it did. It does not if the PDU would
// exceed mtu octets; it never truncates a value.
func (p *MultipleHandleValueNotification) Add(mtu int, v AttributeData) bool {
	if 1+len(p.Data)+2+2+len(v.Value) > mtu {
		return false
	}
	p.Data = wire.AppendU16(wire.AppendU16(p.Data, uint16(v.Handle)), uint16(len(v.Value)))
	p.Data = append(p.Data, v.Value...)
	return true
}

// All iterates over the values, which alias Data.
func (p MultipleHandleValueNotification) All() iter.Seq[AttributeData] {
	return func(yield func(AttributeData) bool) {
		r := wire.NewReader(p.Data)
		for r.Len() > 0 {
			h, n := Handle(r.U16()), int(r.U16())
			v := r.Bytes(n)
			if r.Err() != nil || !yield(AttributeData{h, v}) {
				return
			}
		}
	}
}

// readMultipleHandleValueNotification accepts a single value too, although the
// specification demands two.
func readMultipleHandleValueNotification(r *wire.Reader) (MultipleHandleValueNotification, error) {
	p := MultipleHandleValueNotification{Data: r.Rest()}
	if len(p.Data) == 0 {
		return MultipleHandleValueNotification{}, errNoEntries
	}
	for c := wire.NewReader(p.Data); c.Len() > 0; {
		c.U16()
		c.Skip(int(c.U16()))
		if c.Err() != nil {
			return MultipleHandleValueNotification{}, c.Err()
		}
	}
	return p, nil
}
