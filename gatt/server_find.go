package gatt

import (
	"bytes"
	"context"

	"github.com/moor-ble/moor/gatt/att"
)

// These requests name a range of handles. A range that starts at 0x0000 or ends
// before its start is answered with Invalid Handle, a range without matching
// attributes with Attribute Not Found; both errors name the start of the range.

func (v *view) findInformation(p att.FindInformationReq) (att.PDU, att.Handle, att.Code) {
	r := att.HandleRange(p)
	if !r.Valid() {
		return nil, p.Start, att.CodeInvalidHandle
	}
	var rsp att.FindInformationRsp
	for _, a := range v.t.within(r) {
		if !rsp.Add(v.mtu, att.Information{Handle: a.handle, Type: a.typ}) {
			break
		}
	}
	if len(rsp.Data) == 0 {
		return nil, p.Start, att.CodeAttributeNotFound
	}
	return rsp, 0, 0
}

// findByTypeValue skips attributes that the client may not read, since the
// answer would reveal their values.
func (v *view) findByTypeValue(ctx context.Context, p att.FindByTypeValueReq) (att.PDU, att.Handle, att.Code) {
	r := att.HandleRange{Start: p.Start, End: p.End}
	if !r.Valid() {
		return nil, p.Start, att.CodeInvalidHandle
	}
	var rsp att.FindByTypeValueRsp
	attrs := v.t.within(r)
	for i := range attrs {
		a := &attrs[i]
		if a.typ != UUID16(p.Type) || v.readable(a) != 0 {
			continue
		}
		b, code := v.value(ctx, a, 0)
		if code != 0 || !bytes.Equal(b, p.Value) {
			continue
		}
		if !rsp.Add(v.mtu, att.HandleRange{Start: a.handle, End: a.end}) {
			break
		}
	}
	if len(rsp.Data) == 0 {
		return nil, p.Start, att.CodeAttributeNotFound
	}
	return rsp, 0, 0
}

// readByType lists values of one length. If the first attribute cannot be read,
// it returns that error; a later one ends the list.
func (v *view) readByType(ctx context.Context, p att.ReadByTypeReq) (att.PDU, att.Handle, att.Code) {
	r := att.HandleRange{Start: p.Start, End: p.End}
	if !r.Valid() {
		return nil, p.Start, att.CodeInvalidHandle
	}
	var rsp att.ReadByTypeRsp
	attrs := v.t.within(r)
	for i := range attrs {
		a := &attrs[i]
		if a.typ != p.Type {
			continue
		}
		code := v.readable(a)
		var b []byte
		if code == 0 {
			b, code = v.value(ctx, a, 0)
		}
		if code != 0 && len(rsp.Data) == 0 {
			return nil, a.handle, code
		}
		if code != 0 || !rsp.Add(v.mtu, att.AttributeData{Handle: a.handle, Value: b}) {
			break
		}
	}
	if len(rsp.Data) == 0 {
		return nil, p.Start, att.CodeAttributeNotFound
	}
	return rsp, 0, 0
}

// readByGroupType lists services: no other group type is allowed in this request
// (Vol 3, Part G, 2.5.3).
func (v *view) readByGroupType(p att.ReadByGroupTypeReq) (att.PDU, att.Handle, att.Code) {
	r := att.HandleRange{Start: p.Start, End: p.End}
	switch {
	case !r.Valid():
		return nil, p.Start, att.CodeInvalidHandle
	case p.Type != UUID16(typePrimaryService) && p.Type != UUID16(typeSecondaryService):
		return nil, p.Start, att.CodeUnsupportedGroupType
	}
	var rsp att.ReadByGroupTypeRsp
	attrs := v.t.within(r)
	for i := range attrs {
		a := &attrs[i]
		if a.typ != p.Type {
			continue
		}
		if !rsp.Add(v.mtu, att.GroupData{Handle: a.handle, End: a.end, Value: a.load()}) {
			break
		}
	}
	if len(rsp.Data) == 0 {
		return nil, p.Start, att.CodeAttributeNotFound
	}
	return rsp, 0, 0
}
