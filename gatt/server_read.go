package gatt

import (
	"context"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// view is the state that the answer to a request depends on, at the time of the
// request. It does not change, so that a goroutine can make the answer.
type view struct {
	s          *Session // for handlers
	t          *table
	mtu        int
	security   Security
	features   uint8
	subscribed subscriptions
}

func (q *inbox) view() view {
	return view{
		s:          q.s,
		t:          q.s.t,
		mtu:        q.b.MTU(),
		security:   q.s.linkSecurity(),
		features:   q.s.client.features,
		subscribed: q.s.client.subscribed,
	}
}

// needsHandler reports whether the answer needs a handler's value.
func (v *view) needsHandler(p att.PDU) bool {
	has := func(h att.Handle) bool {
		a := v.t.attributeAt(h)
		return a != nil && a.read != nil
	}
	among := func(start, end att.Handle, typ UUID) bool {
		return slices.ContainsFunc(v.t.within(att.HandleRange{Start: start, End: end}), func(a attribute) bool {
			return a.typ == typ && a.read != nil
		})
	}
	switch p := p.(type) {
	case att.ReadReq:
		return has(p.Handle)
	case att.ReadBlobReq:
		return has(p.Handle)
	case att.ReadMultipleReq:
		return slices.ContainsFunc(p.Handles, has)
	case att.ReadMultipleVariableReq:
		return slices.ContainsFunc(p.Handles, has)
	case att.ReadByTypeReq:
		return among(p.Start, p.End, p.Type)
	case att.FindByTypeValueReq:
		return among(p.Start, p.End, UUID16(p.Type))
	}
	return false
}

// appendResponse appends the response to a request that changes nothing. ctx is
// passed to handlers.
func (v *view) appendResponse(ctx context.Context, b []byte, p att.PDU) []byte {
	var rsp att.PDU
	var h att.Handle
	var code att.Code
	switch p := p.(type) {
	case att.FindInformationReq:
		rsp, h, code = v.findInformation(p)
	case att.FindByTypeValueReq:
		rsp, h, code = v.findByTypeValue(ctx, p)
	case att.ReadByTypeReq:
		rsp, h, code = v.readByType(ctx, p)
	case att.ReadByGroupTypeReq:
		rsp, h, code = v.readByGroupType(p)
	case att.ReadReq:
		rsp, h, code = v.readValue(ctx, p)
	case att.ReadBlobReq:
		rsp, h, code = v.readBlob(ctx, p)
	case att.ReadMultipleReq:
		rsp, h, code = v.readMultiple(ctx, p)
	case att.ReadMultipleVariableReq:
		rsp, h, code = v.readMultipleVariable(ctx, p)
	default:
		code = att.CodeRequestNotSupported
	}
	if code != 0 {
		rsp = att.ErrorRsp{Request: p.Opcode(), Handle: h, Code: code}
	}
	return rsp.AppendPDU(b)
}

// readable returns why the client cannot read an attribute on this link, 0 if it
// can.
func (v *view) readable(a *attribute) att.Code {
	if !a.readable {
		return att.CodeReadNotPermitted
	}
	return a.perms.Read.check(v.security)
}

// value returns the whole value of an attribute, from its handler if it has one.
func (v *view) value(ctx context.Context, a *attribute, offset int) ([]byte, att.Code) {
	switch {
	case a.role == roleCCCD:
		return wire.AppendU16(nil, v.subscribed.get(a.handle)), 0
	case a.role == roleFeatures:
		return []byte{v.features}, 0
	case a.role == roleHash:
		return v.t.hash[:], 0
	case a.role == roleServerFeatures:
		return v.serverFeatures(a), 0
	case a.read == nil:
		return a.load(), 0
	}
	b, err := a.read(ctx, &ReadRequest{Session: v.s, Handle: a.handle, Offset: offset, MTU: v.mtu})
	if err != nil {
		return nil, codeOf(err)
	}
	if len(b) > MaxValue {
		return nil, att.CodeUnlikelyError
	}
	return b, 0
}

// serverFeatures returns Server Supported Features.
func (v *view) serverFeatures(a *attribute) []byte {
	b := slices.Clone(a.load())
	if len(b) == 0 {
		b = []byte{0}
	}
	if v.s.peer.Load().Enhanced {
		b[0] |= featureServerEnhanced
	}
	return b
}

// readAttribute checks the handle first, then whether the attribute is readable,
// then security (Vol 3, Part F, 3.4.4.3).
func (v *view) readAttribute(ctx context.Context, h att.Handle, offset int) (*attribute, []byte, att.Code) {
	a := v.t.attributeAt(h)
	if a == nil {
		return nil, nil, att.CodeInvalidHandle
	}
	if code := v.readable(a); code != 0 {
		return a, nil, code
	}
	b, code := v.value(ctx, a, offset)
	return a, b, code
}

func (v *view) readValue(ctx context.Context, p att.ReadReq) (att.PDU, att.Handle, att.Code) {
	_, b, code := v.readAttribute(ctx, p.Handle, 0)
	return att.ReadRsp{Value: b[:min(len(b), v.mtu-1)]}, p.Handle, code
}

// readBlob answers Attribute Not Long only for a value of fixed length that fits
// one response: no client needs to read that in parts.
func (v *view) readBlob(ctx context.Context, p att.ReadBlobReq) (att.PDU, att.Handle, att.Code) {
	a, b, code := v.readAttribute(ctx, p.Handle, int(p.Offset))
	off := int(p.Offset)
	switch {
	case code != 0:
		return nil, p.Handle, code
	case off > 0 && a.fixed() && a.maxLen <= v.mtu-1:
		return nil, p.Handle, att.CodeAttributeNotLong
	case off > len(b):
		return nil, p.Handle, att.CodeInvalidOffset
	}
	b = b[off:]
	return att.ReadBlobRsp{Value: b[:min(len(b), v.mtu-1)]}, 0, 0
}

// readEach reads attributes in the given order, up to the first error.
func (v *view) readEach(ctx context.Context, handles []att.Handle, each func([]byte)) (att.Handle, att.Code) {
	for _, h := range handles {
		_, b, code := v.readAttribute(ctx, h, 0)
		if code != 0 {
			return h, code
		}
		each(b)
	}
	return 0, 0
}

func (v *view) readMultiple(ctx context.Context, p att.ReadMultipleReq) (att.PDU, att.Handle, att.Code) {
	var rsp att.ReadMultipleRsp
	h, code := v.readEach(ctx, p.Handles, func(b []byte) {
		rsp.Values = append(rsp.Values, b...)
		rsp.Values = rsp.Values[:min(len(rsp.Values), v.mtu-1)]
	})
	return rsp, h, code
}

func (v *view) readMultipleVariable(ctx context.Context, p att.ReadMultipleVariableReq) (att.PDU, att.Handle, att.Code) {
	var rsp att.ReadMultipleVariableRsp
	h, code := v.readEach(ctx, p.Handles, func(b []byte) { rsp.Add(v.mtu, b) })
	return rsp, h, code
}
