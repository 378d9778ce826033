package att

import (
	"fmt"
	"iter"

	"github.com/moor-ble/moor/internal/wire"
)

// ReadReq reads the value of an attribute (Vol 3, Part F, 3.4.4.3).
type ReadReq struct {
	Handle Handle
}

// Opcode returns OpReadReq.
func (ReadReq) Opcode() Opcode { return OpReadReq }

// AppendPDU appends the PDU.
func (p ReadReq) AppendPDU(b []byte) []byte {
	return wire.AppendU16(append(b, byte(OpReadReq)), uint16(p.Handle))
}

func (ReadReq) response() Opcode { return OpReadRsp }

func (ReadReq) readResponse(r *wire.Reader) (ReadRsp, error) { return readReadRsp(r) }

func readReadReq(r *wire.Reader) (ReadReq, error) {
	p := ReadReq{Handle: Handle(r.U16())}
	return p, r.Finish()
}

// ReadRsp carries the value of an attribute (Vol 3, Part F, 3.4.4.4). If it
// fills the MTU, the value may be longer.
type ReadRsp struct {
	Value []byte
}

// Opcode returns OpReadRsp.
func (ReadRsp) Opcode() Opcode { return OpReadRsp }

// AppendPDU appends the PDU.
func (p ReadRsp) AppendPDU(b []byte) []byte { return append(append(b, byte(OpReadRsp)), p.Value...) }

func readReadRsp(r *wire.Reader) (ReadRsp, error) { return ReadRsp{Value: r.Rest()}, nil }

// ReadBlobReq reads the value of an attribute from an offset on (Vol 3, Part F,
// 3.4.4.5).
type ReadBlobReq struct {
	Handle Handle
	Offset uint16
}

// Opcode returns OpReadBlobReq.
func (ReadBlobReq) Opcode() Opcode { return OpReadBlobReq }

// AppendPDU appends the PDU.
func (p ReadBlobReq) AppendPDU(b []byte) []byte {
	b = wire.AppendU16(append(b, byte(OpReadBlobReq)), uint16(p.Handle))
	return wire.AppendU16(b, p.Offset)
}

func (ReadBlobReq) response() Opcode { return OpReadBlobRsp }

func (ReadBlobReq) readResponse(r *wire.Reader) (ReadBlobRsp, error) { return readReadBlobRsp(r) }

func readReadBlobReq(r *wire.Reader) (ReadBlobReq, error) {
	p := ReadBlobReq{Handle: Handle(r.U16()), Offset: r.U16()}
	return p, r.Finish()
}

// ReadBlobRsp carries a part of the value of an attribute (Vol 3, Part F,
// 3.4.4.6).
type ReadBlobRsp struct {
	Value []byte
}

// Opcode returns OpReadBlobRsp.
func (ReadBlobRsp) Opcode() Opcode { return OpReadBlobRsp }

// AppendPDU appends the PDU.
func (p ReadBlobRsp) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpReadBlobRsp)), p.Value...)
}

func readReadBlobRsp(r *wire.Reader) (ReadBlobRsp, error) { return ReadBlobRsp{Value: r.Rest()}, nil }

// ReadMultipleReq reads the values of several attributes, all but the last of a
// length that the client knows (Vol 3, Part F, 3.4.4.7).
type ReadMultipleReq struct {
	Handles []Handle // two or more
}

// Opcode returns OpReadMultipleReq.
func (ReadMultipleReq) Opcode() Opcode { return OpReadMultipleReq }

// AppendPDU appends the PDU.
func (p ReadMultipleReq) AppendPDU(b []byte) []byte {
	return appendHandles(append(b, byte(OpReadMultipleReq)), p.Handles)
}

func (ReadMultipleReq) response() Opcode { return OpReadMultipleRsp }

func (ReadMultipleReq) readResponse(r *wire.Reader) (ReadMultipleRsp, error) {
	return readReadMultipleRsp(r)
}

func readReadMultipleReq(r *wire.Reader) (ReadMultipleReq, error) {
	h, err := readHandles(r)
	return ReadMultipleReq{Handles: h}, err
}

func appendHandles(b []byte, hs []Handle) []byte {
	for _, h := range hs {
		b = wire.AppendU16(b, uint16(h))
	}
	return b
}

// readHandles reads two or more handles to the end of the PDU.
func readHandles(r *wire.Reader) ([]Handle, error) {
	if r.Len() < 2*2 {
		return nil, fmt.Errorf("handles in %d octets, want two or more handles", r.Len())
	}
	hs := make([]Handle, 0, r.Len()/2)
	for r.Len() > 0 {
		hs = append(hs, Handle(r.U16()))
	}
	return hs, r.Err()
}

// ReadMultipleRsp carries concatenated values (Vol 3, Part F, 3.4.4.8).
type ReadMultipleRsp struct {
	Values []byte
}

// Opcode returns OpReadMultipleRsp.
func (ReadMultipleRsp) Opcode() Opcode { return OpReadMultipleRsp }

// AppendPDU appends the PDU.
func (p ReadMultipleRsp) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpReadMultipleRsp)), p.Values...)
}

func readReadMultipleRsp(r *wire.Reader) (ReadMultipleRsp, error) {
	return ReadMultipleRsp{Values: r.Rest()}, nil
}

// ReadMultipleVariableReq reads the values of several attributes of any length
// (Vol 3, Part F, 3.4.4.11; since Core 5.2).
type ReadMultipleVariableReq struct {
	Handles []Handle // two or more
}

// Opcode returns OpReadMultipleVariableReq.
func (ReadMultipleVariableReq) Opcode() Opcode { return OpReadMultipleVariableReq }

// AppendPDU appends the PDU.
func (p ReadMultipleVariableReq) AppendPDU(b []byte) []byte {
	return appendHandles(append(b, byte(OpReadMultipleVariableReq)), p.Handles)
}

func (ReadMultipleVariableReq) response() Opcode { return OpReadMultipleVariableRsp }

func (p ReadMultipleVariableReq) readResponse(r *wire.Reader) (ReadMultipleVariableRsp, error) {
	rsp, err := readReadMultipleVariableRsp(r)
	n := 0
	for range rsp.All() {
		n++
	}
	if err == nil && n > len(p.Handles) {
		err = fmt.Errorf("%d values in the answer, but %d were asked for", n, len(p.Handles))
	}
	return rsp, err
}

func readReadMultipleVariableReq(r *wire.Reader) (ReadMultipleVariableReq, error) {
	h, err := readHandles(r)
	return ReadMultipleVariableReq{Handles: h}, err
}

// VariableValue is one entry of a ReadMultipleVariableRsp.
type VariableValue struct {
	Length int    // octets of the attribute's value
	Value  []byte // shorter than Length if the PDU was truncated
}

// ReadMultipleVariableRsp carries values, each behind its length (Vol 3, Part F,
// 3.4.4.12). The server truncates the list at the MTU, even within a value or a
// length. Add builds it, All iterates over it.
type ReadMultipleVariableRsp struct {
	Data []byte // the encoded entries
}

// Opcode returns OpReadMultipleVariableRsp.
func (ReadMultipleVariableRsp) Opcode() Opcode { return OpReadMultipleVariableRsp }

// AppendPDU appends the PDU.
func (p ReadMultipleVariableRsp) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpReadMultipleVariableRsp)), p.Data...)
}

// Add appends a value of at most 65535 octets and truncates the PDU to mtu
// octets.
func (p *ReadMultipleVariableRsp) Add(mtu int, value []byte) {
	p.Data = append(wire.AppendU16(p.Data, uint16(len(value))), value...)
	p.Data = p.Data[:min(len(p.Data), mtu-1)]
}

// All iterates over the entries. Their values alias Data.
func (p ReadMultipleVariableRsp) All() iter.Seq[VariableValue] {
	return func(yield func(VariableValue) bool) {
		r := wire.NewReader(p.Data)
		for r.Len() >= 2 {
			n := int(r.U16())
			if !yield(VariableValue{n, r.Bytes(min(n, r.Len()))}) {
				return
			}
		}
	}
}

func readReadMultipleVariableRsp(r *wire.Reader) (ReadMultipleVariableRsp, error) {
	return ReadMultipleVariableRsp{Data: r.Rest()}, nil
}
