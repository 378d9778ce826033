package att

import (
	"errors"
	"fmt"
	"iter"

	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// errNoEntries is the error of an empty list, which the specification forbids: a
// server sends Attribute Not Found instead.
var errNoEntries = errors.New("list without entries")

// checkOrder returns an error unless next follows last, as the handles of a list
// must. Procedures that continue behind the last handle of a list rely on it to
// end.
func checkOrder(last, next Handle) error {
	if next <= last {
		return fmt.Errorf("handle %s after %s in a list whose handles must rise", next, last)
	}
	return nil
}

// checkWithin returns an error for an answer outside the requested range.
func checkWithin(start, end, first, last Handle) error {
	if first < start || last > end {
		return fmt.Errorf("handles %s to %s in the answer, but only %s to %s were asked for", first, last, start, end)
	}
	return nil
}

// readUUID reads the rest of r as a UUID of 2 or 16 octets, the only forms in
// ATT (Vol 3, Part F, 3.2.1).
func readUUID(r *wire.Reader) (uuid.UUID, error) {
	b := r.Rest()
	if u, ok := uuid.FromWire(b); ok && len(b) != 4 {
		return u, nil
	}
	return uuid.UUID{}, fmt.Errorf("UUID of %d octets, want 2 or 16", len(b))
}

// FindInformationReq reads the handles and types of the attributes in a range
// (Vol 3, Part F, 3.4.3.1).
type FindInformationReq struct {
	Start, End Handle
}

// Opcode returns OpFindInformationReq.
func (FindInformationReq) Opcode() Opcode { return OpFindInformationReq }

// AppendPDU appends the PDU.
func (p FindInformationReq) AppendPDU(b []byte) []byte {
	b = wire.AppendU16(append(b, byte(OpFindInformationReq)), uint16(p.Start))
	return wire.AppendU16(b, uint16(p.End))
}

func (FindInformationReq) response() Opcode { return OpFindInformationRsp }

func (p FindInformationReq) readResponse(r *wire.Reader) (FindInformationRsp, error) {
	rsp, err := readFindInformationRsp(r)
	for e := range rsp.All() {
		if err == nil {
			err = checkWithin(p.Start, p.End, e.Handle, e.Handle)
		}
	}
	return rsp, err
}

func readFindInformationReq(r *wire.Reader) (FindInformationReq, error) {
	p := FindInformationReq{Start: Handle(r.U16()), End: Handle(r.U16())}
	return p, r.Finish()
}

// InformationFormat is the length of the UUIDs of a FindInformationRsp.
type InformationFormat uint8

const (
	// InformationFormat16 means 16-bit UUIDs.
	InformationFormat16 InformationFormat = 0x01
	// InformationFormat128 means 128-bit UUIDs.
	InformationFormat128 InformationFormat = 0x02
)

// entry returns the length of an entry, a handle and a UUID, in octets; 0 for an
// unknown format.
func (f InformationFormat) entry() int {
	switch f {
	case InformationFormat16:
		return 2 + 2
	case InformationFormat128:
		return 2 + 16
	}
	return 0
}

// Information is one entry of a FindInformationRsp.
type Information struct {
	Handle Handle
	Type   uuid.UUID
}

// FindInformationRsp lists handles and types in ascending order, with UUIDs of
// one length (Vol 3, Part F, 3.4.3.2). Add builds it, All iterates over it.
type FindInformationRsp struct {
	Format InformationFormat
	Data   []byte // the encoded entries
}

// Opcode returns OpFindInformationRsp.
func (FindInformationRsp) Opcode() Opcode { return OpFindInformationRsp }

// AppendPDU appends the PDU.
func (p FindInformationRsp) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpFindInformationRsp), byte(p.Format)), p.Data...)
}

// Add appends an entry and reports whether it did. It does not if the length of
// the UUID differs from that of the earlier entries, or if the PDU would exceed
// mtu octets.
func (p *FindInformationRsp) Add(mtu int, e Information) bool {
	f := InformationFormat128
	if e.Type.WireLen() == 2 {
		f = InformationFormat16
	}
	if len(p.Data) != 0 && f != p.Format || 2+len(p.Data)+f.entry() > mtu {
		return false
	}
	p.Format = f
	p.Data = e.Type.AppendWire(wire.AppendU16(p.Data, uint16(e.Handle)))
	return true
}

// All iterates over the entries.
func (p FindInformationRsp) All() iter.Seq[Information] {
	return func(yield func(Information) bool) {
		r := wire.NewReader(p.Data)
		for n := p.Format.entry(); n > 0 && r.Len() >= n; {
			h := Handle(r.U16())
			u, _ := uuid.FromWire(r.Bytes(n - 2))
			if !yield(Information{h, u}) {
				return
			}
		}
	}
}

func readFindInformationRsp(r *wire.Reader) (FindInformationRsp, error) {
	p := FindInformationRsp{Format: InformationFormat(r.U8()), Data: r.Rest()}
	switch n := p.Format.entry(); {
	case r.Err() != nil:
		return FindInformationRsp{}, r.Err()
	case n == 0:
		return FindInformationRsp{}, fmt.Errorf("unknown format %#02x", uint8(p.Format))
	case len(p.Data) == 0:
		return FindInformationRsp{}, errNoEntries
	case len(p.Data)%n != 0:
		return FindInformationRsp{}, fmt.Errorf("list of %d octets, not a multiple of the entry size %d", len(p.Data), n)
	}
	last := HandleNone
	for e := range p.All() {
		if err := checkOrder(last, e.Handle); err != nil {
			return FindInformationRsp{}, err
		}
		last = e.Handle
	}
	return p, nil
}

// FindByTypeValueReq finds the attributes of one type and value, and the ends of
// their groups (Vol 3, Part F, 3.4.3.3).
type FindByTypeValueReq struct {
	Start, End Handle
	Type       uint16 // a 16-bit UUID; the request has no form for others
	Value      []byte
}

// Opcode returns OpFindByTypeValueReq.
func (FindByTypeValueReq) Opcode() Opcode { return OpFindByTypeValueReq }

// AppendPDU appends the PDU.
func (p FindByTypeValueReq) AppendPDU(b []byte) []byte {
	b = wire.AppendU16(append(b, byte(OpFindByTypeValueReq)), uint16(p.Start))
	b = wire.AppendU16(b, uint16(p.End))
	return append(wire.AppendU16(b, p.Type), p.Value...)
}

func (FindByTypeValueReq) response() Opcode { return OpFindByTypeValueRsp }

func (p FindByTypeValueReq) readResponse(r *wire.Reader) (FindByTypeValueRsp, error) {
	rsp, err := readFindByTypeValueRsp(r)
	for g := range rsp.All() {
		if err == nil {
			// The group may end behind the requested range.
			err = checkWithin(p.Start, p.End, g.Start, g.Start)
		}
	}
	return rsp, err
}

func readFindByTypeValueReq(r *wire.Reader) (FindByTypeValueReq, error) {
	p := FindByTypeValueReq{Start: Handle(r.U16()), End: Handle(r.U16()), Type: r.U16(), Value: r.Rest()}
	return p, r.Finish()
}

// FindByTypeValueRsp lists the attributes found and the ends of their groups, in
// ascending order (Vol 3, Part F, 3.4.3.4). Add builds it, All iterates over it.
type FindByTypeValueRsp struct {
	Data []byte // the encoded entries
}

// Opcode returns OpFindByTypeValueRsp.
func (FindByTypeValueRsp) Opcode() Opcode { return OpFindByTypeValueRsp }

// AppendPDU appends the PDU.
func (p FindByTypeValueRsp) AppendPDU(b []byte) []byte {
	return append(append(b, byte(OpFindByTypeValueRsp)), p.Data...)
}

const findByTypeValueEntry = 2 + 2

// Add appends an entry and reports whether it did. It does not if the PDU would
// exceed mtu octets.
func (p *FindByTypeValueRsp) Add(mtu int, g HandleRange) bool {
	if 1+len(p.Data)+findByTypeValueEntry > mtu {
		return false
	}
	p.Data = wire.AppendU16(wire.AppendU16(p.Data, uint16(g.Start)), uint16(g.End))
	return true
}

// All iterates over the entries: the attribute found and the last handle of its
// group.
func (p FindByTypeValueRsp) All() iter.Seq[HandleRange] {
	return func(yield func(HandleRange) bool) {
		r := wire.NewReader(p.Data)
		for r.Len() >= findByTypeValueEntry {
			if !yield(HandleRange{Handle(r.U16()), Handle(r.U16())}) {
				return
			}
		}
	}
}

func readFindByTypeValueRsp(r *wire.Reader) (FindByTypeValueRsp, error) {
	p := FindByTypeValueRsp{Data: r.Rest()}
	switch {
	case len(p.Data) == 0:
		return FindByTypeValueRsp{}, errNoEntries
	case len(p.Data)%findByTypeValueEntry != 0:
		return FindByTypeValueRsp{}, fmt.Errorf("list of %d octets, not a multiple of the entry size %d", len(p.Data), findByTypeValueEntry)
	}
	last := HandleNone
	for g := range p.All() {
		if err := checkGroup(last, g); err != nil {
			return FindByTypeValueRsp{}, err
		}
		last = g.End
	}
	return p, nil
}

// checkGroup is checkOrder for groups, which must not overlap.
func checkGroup(last Handle, g HandleRange) error {
	if err := checkOrder(last, g.Start); err != nil {
		return err
	}
	if g.End < g.Start {
		return fmt.Errorf("group %s ends before it starts", g)
	}
	return nil
}
