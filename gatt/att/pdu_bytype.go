package att

import (
	"fmt"
	"iter"

	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// maxListEntry is the longest entry of the two lists below, whose length has one
// octet.
const maxListEntry = 255

// ReadByTypeReq reads the values of all attributes of a type in a range (Vol 3,
// Part F, 3.4.4.1).
type ReadByTypeReq struct {
	Start, End Handle
	Type       uuid.UUID
}

// Opcode returns OpReadByTypeReq.
func (ReadByTypeReq) Opcode() Opcode { return OpReadByTypeReq }

// AppendPDU appends the PDU.
func (p ReadByTypeReq) AppendPDU(b []byte) []byte {
	b = wire.AppendU16(append(b, byte(OpReadByTypeReq)), uint16(p.Start))
	return p.Type.AppendWire(wire.AppendU16(b, uint16(p.End)))
}

func (ReadByTypeReq) response() Opcode { return OpReadByTypeRsp }

func (p ReadByTypeReq) readResponse(r *wire.Reader) (ReadByTypeRsp, error) {
	rsp, err := readReadByTypeRsp(r)
	for e := range rsp.All() {
		if err == nil {
			err = checkWithin(p.Start, p.End, e.Handle, e.Handle)
		}
	}
	return rsp, err
}

func readReadByTypeReq(r *wire.Reader) (ReadByTypeReq, error) {
	p := ReadByTypeReq{Start: Handle(r.U16()), End: Handle(r.U16())}
	if r.Err() != nil {
		return ReadByTypeReq{}, r.Err()
	}
	u, err := readUUID(r)
	p.Type = u
	return p, err
}

// AttributeData is one entry of a ReadByTypeRsp.
type AttributeData struct {
	Handle Handle
	Value  []byte // truncated to 253 octets or ATT_MTU-4 if the attribute is longer
}

// ReadByTypeRsp lists attributes with values of one length, in ascending order
// (Vol 3, Part F, 3.4.4.2). Add builds it, All iterates over it.
type ReadByTypeRsp struct {
	Length uint8  // octets of an entry: 2 and the length of the value
	Data   []byte // the encoded entries
}

// Opcode returns OpReadByTypeRsp.
func (ReadByTypeRsp) Opcode() Opcode { return OpReadByTypeRsp }

// AppendPDU appends the PDU.
func (p ReadByTypeRsp) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpReadByTypeRsp), p.Length), p.Data...)
}

// Add appends an entry and reports whether it did. It truncates the first value
// to what an entry and a PDU of mtu octets can hold. It does not add a later
// value whose full length differs from the first entry's, or for which the PDU
// has no room.
func (p *ReadByTypeRsp) Add(mtu int, e AttributeData) bool {
	const head = 2
	if len(p.Data) == 0 {
		e.Value = e.Value[:min(len(e.Value), mtu-2-head, maxListEntry-head)]
		p.Length = uint8(head + len(e.Value))
	}
	if int(p.Length) != head+len(e.Value) || 2+len(p.Data)+int(p.Length) > mtu {
		return false
	}
	p.Data = append(wire.AppendU16(p.Data, uint16(e.Handle)), e.Value...)
	return true
}

// All iterates over the entries. Their values alias Data.
func (p ReadByTypeRsp) All() iter.Seq[AttributeData] {
	return func(yield func(AttributeData) bool) {
		r := wire.NewReader(p.Data)
		for n := int(p.Length); n >= 2 && r.Len() >= n; {
			if !yield(AttributeData{Handle(r.U16()), r.Bytes(n - 2)}) {
				return
			}
		}
	}
}

func readReadByTypeRsp(r *wire.Reader) (ReadByTypeRsp, error) {
	p := ReadByTypeRsp{Length: r.U8(), Data: r.Rest()}
	if err := checkList(r, int(p.Length), 2, len(p.Data)); err != nil {
		return ReadByTypeRsp{}, err
	}
	last := HandleNone
	for e := range p.All() {
		if err := checkOrder(last, e.Handle); err != nil {
			return ReadByTypeRsp{}, err
		}
		last = e.Handle
	}
	return p, nil
}

// checkList checks a list of total octets with entries of the given length.
func checkList(r *wire.Reader, length, shortest, total int) error {
	switch {
	case r.Err() != nil:
		return r.Err()
	case length < shortest:
		return fmt.Errorf("entry size %d, want at least %d", length, shortest)
	case total == 0:
		return errNoEntries
	case total%length != 0:
		return fmt.Errorf("list of %d octets, not a multiple of the entry size %d", total, length)
	}
	return nil
}

// ReadByGroupTypeReq reads the values of all grouping attributes of a type in a
// range, and the ends of their groups (Vol 3, Part F, 3.4.4.9).
type ReadByGroupTypeReq struct {
	Start, End Handle
	Type       uuid.UUID
}

// Opcode returns OpReadByGroupTypeReq.
func (ReadByGroupTypeReq) Opcode() Opcode { return OpReadByGroupTypeReq }

// AppendPDU appends the PDU.
func (p ReadByGroupTypeReq) AppendPDU(b []byte) []byte {
	b = wire.AppendU16(append(b, byte(OpReadByGroupTypeReq)), uint16(p.Start))
	return p.Type.AppendWire(wire.AppendU16(b, uint16(p.End)))
}

func (ReadByGroupTypeReq) response() Opcode { return OpReadByGroupTypeRsp }

func (p ReadByGroupTypeReq) readResponse(r *wire.Reader) (ReadByGroupTypeRsp, error) {
	rsp, err := readReadByGroupTypeRsp(r)
	for e := range rsp.All() {
		if err == nil {
			// The group may end behind the requested range.
			err = checkWithin(p.Start, p.End, e.Handle, e.Handle)
		}
	}
	return rsp, err
}

func readReadByGroupTypeReq(r *wire.Reader) (ReadByGroupTypeReq, error) {
	p, err := readReadByTypeReq(r)
	return ReadByGroupTypeReq(p), err
}

// GroupData is one entry of a ReadByGroupTypeRsp.
type GroupData struct {
	Handle, End Handle // first and last handle of the group
	Value       []byte // truncated to 251 octets or ATT_MTU-6 if the attribute is longer
}

// ReadByGroupTypeRsp lists groups with values of one length, in ascending order
// (Vol 3, Part F, 3.4.4.10). Add builds it, All iterates over it.
type ReadByGroupTypeRsp struct {
	Length uint8  // octets of an entry: 4 and the length of the value
	Data   []byte // the encoded entries
}

// Opcode returns OpReadByGroupTypeRsp.
func (ReadByGroupTypeRsp) Opcode() Opcode { return OpReadByGroupTypeRsp }

// AppendPDU appends the PDU.
func (p ReadByGroupTypeRsp) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpReadByGroupTypeRsp), p.Length), p.Data...)
}

// Add appends an entry as [ReadByTypeRsp.Add] does.
func (p *ReadByGroupTypeRsp) Add(mtu int, e GroupData) bool {
	const head = 4
	if len(p.Data) == 0 {
		e.Value = e.Value[:min(len(e.Value), mtu-2-head, maxListEntry-head)]
		p.Length = uint8(head + len(e.Value))
	}
	if int(p.Length) != head+len(e.Value) || 2+len(p.Data)+int(p.Length) > mtu {
		return false
	}
	p.Data = wire.AppendU16(wire.AppendU16(p.Data, uint16(e.Handle)), uint16(e.End))
	p.Data = append(p.Data, e.Value...)
	return true
}

// All iterates over the entries. Their values alias Data.
func (p ReadByGroupTypeRsp) All() iter.Seq[GroupData] {
	return func(yield func(GroupData) bool) {
		r := wire.NewReader(p.Data)
		for n := int(p.Length); n >= 4 && r.Len() >= n; {
			if !yield(GroupData{Handle(r.U16()), Handle(r.U16()), r.Bytes(n - 4)}) {
				return
			}
		}
	}
}

func readReadByGroupTypeRsp(r *wire.Reader) (ReadByGroupTypeRsp, error) {
	p := ReadByGroupTypeRsp{Length: r.U8(), Data: r.Rest()}
	if err := checkList(r, int(p.Length), 4, len(p.Data)); err != nil {
		return ReadByGroupTypeRsp{}, err
	}
	last := HandleNone
	for e := range p.All() {
		if err := checkGroup(last, HandleRange{e.Handle, e.End}); err != nil {
			return ReadByGroupTypeRsp{}, err
		}
		last = e.End
	}
	return p, nil
}
