package sim

import (
	"slices"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// maxStaged is the number of prepared writes of one client.
const maxStaged = 64

// attAnswer is the answer to a request: the parameters of the response, or an error
// with the handle that it concerns.
type attAnswer struct {
	params []byte
	code   att.Code
	handle att.Handle
}

func refusal(h att.Handle, code att.Code) attAnswer { return attAnswer{handle: h, code: code} }

// receiveATT answers a PDU of the central (Vol 3, Part F, 3.4).
func (c *deviceClient) receiveATT(pdu []byte) {
	r := wire.NewReader(pdu)
	op := att.Opcode(r.U8())
	switch op.Kind() {
	case att.KindCommand:
		if h := att.Handle(r.U16()); op == att.OpWriteCmd && r.Err() == nil {
			c.writeValue(h, r.Rest(), gatt.PropWriteWithoutResponse)
		}
	case att.KindRequest, att.KindUnknown:
		a := c.answerRequest(op, &r)
		if r.Err() != nil {
			a = refusal(0, att.CodeInvalidPDU)
		}
		rsp := append([]byte{byte(op) + 1}, a.params...)
		if a.code != 0 {
			rsp = append(wire.AppendU16([]byte{byte(att.OpErrorRsp), byte(op)}, uint16(a.handle)), byte(a.code))
		}
		c.link.Send(cidATT, rsp)
	default: // confirmations and what only a server sends
	}
}

func (c *deviceClient) answerRequest(op att.Opcode, r *wire.Reader) attAnswer {
	switch op {
	case att.OpExchangeMTUReq:
		theirs := int(r.U16())
		defer func() { c.mtu = max(23, min(theirs, c.device.mtu)) }()
		return attAnswer{params: wire.AppendU16(nil, uint16(c.device.mtu))}
	case att.OpFindInformationReq, att.OpFindByTypeValueReq, att.OpReadByTypeReq, att.OpReadByGroupTypeReq:
		return c.searchRange(op, r)
	case att.OpReadReq:
		return c.readValue(att.Handle(r.U16()), 0)
	case att.OpReadBlobReq:
		h := att.Handle(r.U16())
		return c.readValue(h, int(r.U16()))
	case att.OpWriteReq:
		h := att.Handle(r.U16())
		return refusal(h, c.writeValue(h, r.Rest(), gatt.PropWrite))
	case att.OpPrepareWriteReq:
		return c.prepareWrite(r)
	case att.OpExecuteWriteReq:
		return c.executeWrites(r.U8() == 1)
	}
	return refusal(0, att.CodeRequestNotSupported)
}

// searchRange answers the requests that name a range of handles.
func (c *deviceClient) searchRange(op att.Opcode, r *wire.Reader) attAnswer {
	start, end := att.Handle(r.U16()), att.Handle(r.U16())
	var kind uuid.UUID
	var value []byte
	switch op {
	case att.OpFindByTypeValueReq:
		kind, value = uuid.From16(r.U16()), r.Rest()
	case att.OpReadByTypeReq, att.OpReadByGroupTypeReq:
		var ok bool
		if kind, ok = uuid.FromWire(r.Rest()); !ok {
			return refusal(0, att.CodeInvalidPDU)
		}
	default: // Find Information names no type
	}
	group := kind == uuid.From16(typePrimary) || kind == uuid.From16(typeSecondary)
	switch {
	case start == 0 || start > end:
		return refusal(start, att.CodeInvalidHandle)
	case op == att.OpReadByGroupTypeReq && !group:
		return refusal(start, att.CodeUnsupportedGroupType)
	}
	out := attList{room: c.mtu - 2} // behind opcode and length
	if op == att.OpFindByTypeValueReq {
		out.room = c.mtu - 1
	}
	t := c.device.table
	for i := range t {
		a := &t[i]
		if a.Handle < start || a.Handle > end || op != att.OpFindInformationReq && a.Type != kind {
			continue
		}
		entry := wire.AppendU16(nil, uint16(a.Handle))
		switch op {
		case att.OpFindInformationReq:
			entry = a.Type.AppendWire(entry)
		case att.OpFindByTypeValueReq:
			if !slices.Equal(a.Value, value) {
				continue
			}
			entry = wire.AppendU16(entry, uint16(t.groupEnd(i)))
		case att.OpReadByTypeReq:
			if code := c.mayRead(a); code != 0 {
				if out.empty() {
					return refusal(a.Handle, code)
				}
				return out.answer(op, start)
			}
			entry = append(entry, c.present(a)...)
		default: // Read By Group Type
			entry = append(wire.AppendU16(entry, uint16(t.groupEnd(i))), a.Value...)
		}
		if !out.addEntry(entry) {
			break
		}
	}
	return out.answer(op, start)
}

// attList collects entries of one length, as many as fit.
type attList struct {
	room, size int
	b          []byte
}

func (l *attList) empty() bool { return len(l.b) == 0 }

// addEntry reports whether the list takes the entry. The first one is cut to fit.
func (l *attList) addEntry(entry []byte) bool {
	if l.empty() {
		l.b = entry[:min(len(entry), l.room, 255)]
		l.size = len(l.b)
		return true
	}
	if len(entry) != l.size || len(l.b)+l.size > l.room {
		return false
	}
	l.b = append(l.b, entry...)
	return true
}

// answer makes the response of the list's request.
func (l *attList) answer(op att.Opcode, start att.Handle) attAnswer {
	switch {
	case l.empty():
		return refusal(start, att.CodeAttributeNotFound)
	case op == att.OpFindByTypeValueReq:
		return attAnswer{params: l.b}
	case op == att.OpFindInformationReq:
		format := byte(1)
		if l.size > 4 {
			format = 2
		}
		return attAnswer{params: append([]byte{format}, l.b...)}
	}
	return attAnswer{params: append([]byte{byte(l.size)}, l.b...)}
}

// present is an attribute's value for this client.
func (c *deviceClient) present(a *Attribute) []byte {
	if a.Type == uuid.From16(typeCCCD) {
		return wire.AppendU16(nil, c.cccds[a.Handle])
	}
	return a.Value
}

func (c *deviceClient) mayRead(a *Attribute) att.Code {
	switch {
	case !a.Properties.Has(gatt.PropRead):
		return att.CodeReadNotPermitted
	case a.Encrypted && !c.link.endpoint.secured:
		return att.CodeInsufficientAuthentication
	}
	return 0
}

func (c *deviceClient) readValue(h att.Handle, offset int) attAnswer {
	a := c.device.table.row(h)
	if a == nil {
		return refusal(h, att.CodeInvalidHandle)
	}
	if code := c.mayRead(a); code != 0 {
		return refusal(h, code)
	}
	v := c.present(a)
	if offset > len(v) {
		return refusal(h, att.CodeInvalidOffset)
	}
	return attAnswer{params: v[offset:min(len(v), offset+c.mtu-1)]}
}

// mayWrite returns the attribute if the client may write it.
func (c *deviceClient) mayWrite(h att.Handle, need gatt.Properties) (*Attribute, att.Code) {
	a := c.device.table.row(h)
	switch {
	case a == nil:
		return nil, att.CodeInvalidHandle
	case !a.Properties.Has(need):
		return nil, att.CodeWriteNotPermitted
	case a.Encrypted && !c.link.endpoint.secured:
		return nil, att.CodeInsufficientAuthentication
	}
	return a, 0
}

func (c *deviceClient) writeValue(h att.Handle, value []byte, need gatt.Properties) att.Code {
	a, code := c.mayWrite(h, need)
	switch {
	case code != 0:
	case a.Type != uuid.From16(typeCCCD):
		a.Value = slices.Clone(value)
	case len(value) != 2:
		return att.CodeInvalidAttributeValueLength
	default:
		r := wire.NewReader(value)
		c.cccds[h] = r.U16()
	}
	return code
}

func (c *deviceClient) prepareWrite(r *wire.Reader) attAnswer {
	h, offset := att.Handle(r.U16()), r.U16()
	value := slices.Clone(r.Rest())
	if _, code := c.mayWrite(h, gatt.PropWrite); code != 0 {
		return refusal(h, code)
	}
	if len(c.staged) == maxStaged {
		return refusal(h, att.CodePrepareQueueFull)
	}
	c.staged = append(c.staged, stagedWrite{h, int(offset), value})
	return attAnswer{params: append(wire.AppendU16(wire.AppendU16(nil, uint16(h)), offset), value...)}
}

func (c *deviceClient) executeWrites(apply bool) attAnswer {
	staged := c.staged
	c.staged = nil
	if !apply {
		return attAnswer{}
	}
	for _, w := range staged {
		a := c.device.table.row(w.handle)
		if a == nil || w.offset > len(a.Value) {
			return refusal(w.handle, att.CodeInvalidOffset)
		}
		a.Value = append(slices.Clone(a.Value[:w.offset]), w.value...)
	}
	return attAnswer{}
}
