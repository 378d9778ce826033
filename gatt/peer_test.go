package gatt_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// bubble runs a test in a synctest bubble.
func bubble(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// newClient returns a client whose peer is the test itself.
func newClient(t testing.TB) (*gatt.Client, *atttest.Channel) {
	return clientOf(t, nil, nil)
}

func clientOf(t testing.TB, answer func([]byte) [][]byte, cfg *gatt.ClientConfig) (*gatt.Client, *atttest.Channel) {
	ch := atttest.New(t, answer)
	b := att.NewBearer(ch, nil)
	c := gatt.NewClient(b, cfg)
	ch.Attach(b)
	return c, ch
}

// call runs f on a goroutine and returns a channel for its error.
func call(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	synctest.Wait()
	return done
}

// returned returns the error of a call, which must have ended.
func returned(t *testing.T, done <-chan error) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		return err
	default:
		t.Fatal("the call has not returned")
		return nil
	}
}

// pending fails the test if a call has ended.
func pending(t *testing.T, done <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		t.Fatalf("the call has returned: %v", err)
	default:
	}
}

func wantNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantIs fails the test unless err wraps all targets and names its package once,
// in front.
func wantIs(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("error %v, want %v", err, target)
		}
	}
	var text string
	if err != nil {
		text = err.Error()
	}
	rest, ours := strings.CutPrefix(text, "gatt: ")
	if strings.Contains(rest, "gatt: ") || !ours && !strings.HasPrefix(text, "att: ") {
		t.Errorf("error %q, want the prefix of its package once, in front", text)
	}
}

// attribute is one row of a table. end is that of a service's group.
type attribute struct {
	handle att.Handle
	typ    gatt.UUID
	value  []byte
	end    att.Handle
}

// table builds the attributes of a peer and their profile.
type table struct {
	attrs   []attribute
	profile gatt.Profile
	next    att.Handle
}

func newTable() *table { return &table{next: 1} }

func (b *table) attr(typ uint16, value []byte) att.Handle {
	return b.attrOf(gatt.UUID16(typ), value)
}

func (b *table) attrOf(typ gatt.UUID, value []byte) att.Handle {
	h := b.next
	b.attrs = append(b.attrs, attribute{handle: h, typ: typ, value: value})
	b.next++
	b.end(h)
	return h
}

// end extends the last service and characteristic to h.
func (b *table) end(h att.Handle) {
	if len(b.profile.Services) == 0 {
		return
	}
	s := &b.profile.Services[len(b.profile.Services)-1]
	s.End = h
	for i := range b.attrs {
		if b.attrs[i].handle == s.Handle {
			b.attrs[i].end = h
		}
	}
	if n := len(s.Characteristics); n > 0 {
		s.Characteristics[n-1].End = h
	}
}

// gap skips handles.
func (b *table) gap(n att.Handle) *table {
	b.next += n
	return b
}

func (b *table) service(u gatt.UUID) *table { return b.declare(u, true) }

func (b *table) secondary(u gatt.UUID) *table { return b.declare(u, false) }

func (b *table) declare(u gatt.UUID, primary bool) *table {
	typ := uint16(0x2801)
	if primary {
		typ = 0x2800
	}
	b.profile.Services = append(b.profile.Services, gatt.Service{UUID: u, Handle: b.next, Primary: primary})
	b.attr(typ, u.AppendWire(nil))
	return b
}

func (b *table) include(u gatt.UUID, start, end att.Handle) *table {
	v := []byte{byte(start), byte(start >> 8), byte(end), byte(end >> 8)}
	if u.WireLen() == 2 {
		v = u.AppendWire(v)
	}
	h := b.attr(0x2802, v)
	s := &b.profile.Services[len(b.profile.Services)-1]
	s.Includes = append(s.Includes, gatt.Include{Handle: h, UUID: u, Start: start, End: end})
	return b
}

func (b *table) char(u gatt.UUID, props gatt.Properties, value []byte) *table {
	h, v := b.next, b.next+1
	s := &b.profile.Services[len(b.profile.Services)-1]
	s.Characteristics = append(s.Characteristics, gatt.Characteristic{UUID: u, Handle: h, Value: v, Properties: props})
	b.attr(0x2803, u.AppendWire([]byte{byte(props), byte(v), byte(v >> 8)}))
	b.attrOf(u, value)
	return b
}

func (b *table) desc(typ uint16) *table {
	h := b.attr(typ, []byte{0, 0})
	s := &b.profile.Services[len(b.profile.Services)-1]
	chr := &s.Characteristics[len(s.Characteristics)-1]
	chr.Descriptors = append(chr.Descriptors, gatt.Descriptor{UUID: gatt.UUID16(typ), Handle: h})
	return b
}

// peer answers from a table as the specification demands, and counts requests.
type peer struct {
	*table
	rxMTU, mtu int
	requests   int
	prepared   []att.PrepareWriteReq
	// answerFirst, if set, may answer in place of the peer.
	answerFirst func(pdu []byte) [][]byte
}

func newPeer(b *table, mtu int) *peer { return &peer{table: b, rxMTU: mtu, mtu: 23} }

func (p *peer) find(h att.Handle) *attribute {
	i := slices.IndexFunc(p.attrs, func(a attribute) bool { return a.handle == h })
	if i < 0 {
		return nil
	}
	return &p.attrs[i]
}

func (p *peer) between(start, end att.Handle, typ gatt.UUID) []attribute {
	return slices.Collect(func(yield func(attribute) bool) {
		for _, a := range p.attrs {
			if start <= a.handle && a.handle <= end && a.typ == typ && !yield(a) {
				return
			}
		}
	})
}

func refuse(op att.Opcode, h att.Handle, code att.Code) att.PDU {
	return att.ErrorRsp{Request: op, Handle: h, Code: code}
}

func (p *peer) answer(pdu []byte) [][]byte {
	req, err := att.Parse(pdu)
	if err != nil {
		panic(err)
	}
	if req.Opcode().Kind() == att.KindRequest {
		p.requests++
	}
	if p.answerFirst != nil {
		if a := p.answerFirst(pdu); a != nil {
			return a
		}
	}
	if rsp := p.respond(req); rsp != nil {
		return [][]byte{rsp.AppendPDU(nil)}
	}
	return nil
}

func (p *peer) respond(req att.PDU) att.PDU {
	switch req := req.(type) {
	case att.ExchangeMTUReq:
		p.mtu = max(23, min(int(req.MTU), p.rxMTU))
		return att.ExchangeMTURsp{MTU: uint16(p.rxMTU)}
	case att.ReadByGroupTypeReq:
		var rsp att.ReadByGroupTypeRsp
		for _, a := range p.between(req.Start, req.End, req.Type) {
			if !rsp.Add(p.mtu, att.GroupData{Handle: a.handle, End: a.end, Value: a.value}) {
				break
			}
		}
		if len(rsp.Data) == 0 {
			return refuse(req.Opcode(), req.Start, att.CodeAttributeNotFound)
		}
		return rsp
	case att.ReadByTypeReq:
		var rsp att.ReadByTypeRsp
		for _, a := range p.between(req.Start, req.End, req.Type) {
			if !rsp.Add(p.mtu, att.AttributeData{Handle: a.handle, Value: a.value}) {
				break
			}
		}
		if len(rsp.Data) == 0 {
			return refuse(req.Opcode(), req.Start, att.CodeAttributeNotFound)
		}
		return rsp
	case att.FindInformationReq:
		var rsp att.FindInformationRsp
		for _, a := range p.attrs {
			if req.Start <= a.handle && a.handle <= req.End && !rsp.Add(p.mtu, att.Information{Handle: a.handle, Type: a.typ}) {
				break
			}
		}
		if len(rsp.Data) == 0 {
			return refuse(req.Opcode(), req.Start, att.CodeAttributeNotFound)
		}
		return rsp
	case att.FindByTypeValueReq:
		var rsp att.FindByTypeValueRsp
		for _, a := range p.between(req.Start, req.End, gatt.UUID16(req.Type)) {
			if bytes.Equal(a.value, req.Value) && !rsp.Add(p.mtu, att.HandleRange{Start: a.handle, End: a.end}) {
				break
			}
		}
		if len(rsp.Data) == 0 {
			return refuse(req.Opcode(), req.Start, att.CodeAttributeNotFound)
		}
		return rsp
	case att.ReadReq:
		a := p.find(req.Handle)
		if a == nil {
			return refuse(req.Opcode(), req.Handle, att.CodeInvalidHandle)
		}
		return att.ReadRsp{Value: a.value[:min(len(a.value), p.mtu-1)]}
	case att.ReadBlobReq:
		a := p.find(req.Handle)
		switch {
		case a == nil:
			return refuse(req.Opcode(), req.Handle, att.CodeInvalidHandle)
		case int(req.Offset) > len(a.value):
			return refuse(req.Opcode(), req.Handle, att.CodeInvalidOffset)
		}
		rest := a.value[req.Offset:]
		return att.ReadBlobRsp{Value: rest[:min(len(rest), p.mtu-1)]}
	case att.WriteReq:
		a := p.find(req.Handle)
		if a == nil {
			return refuse(req.Opcode(), req.Handle, att.CodeInvalidHandle)
		}
		a.value = bytes.Clone(req.Value)
		return att.WriteRsp{}
	case att.PrepareWriteReq:
		req.Value = bytes.Clone(req.Value)
		p.prepared = append(p.prepared, req)
		return att.PrepareWriteRsp(req)
	case att.ExecuteWriteReq:
		for _, w := range p.prepared {
			if a := p.find(w.Handle); a != nil && req.Flags == att.ExecuteWrite {
				a.value = append(a.value[:min(len(a.value), int(w.Offset))], w.Value...)
			}
		}
		p.prepared = nil
		return att.ExecuteWriteRsp{}
	case att.WriteCmd, att.HandleValueConfirmation:
		return nil
	}
	return refuse(req.Opcode(), att.HandleNone, att.CodeRequestNotSupported)
}

// start returns a client of the peer with the MTU exchanged if it is above 23.
func (p *peer) start(t *testing.T, cfg *gatt.ClientConfig) (*gatt.Client, *atttest.Channel) {
	t.Helper()
	c, ch := clientOf(t, p.answer, cfg)
	if p.rxMTU > 23 {
		_, err := c.ExchangeMTU(t.Context())
		wantNoError(t, err)
	}
	return c, ch
}

// script runs f while the test answers as the peer, and checks the requests:
// want, answer, want, answer ... An empty want stands for an unsolicited PDU, an
// empty answer for none.
func script(t *testing.T, ch *atttest.Channel, f func(ctx context.Context) error, wantAnswer ...string) error {
	t.Helper()
	done := call(func() error { return f(t.Context()) })
	for i := 0; i+1 < len(wantAnswer); i += 2 {
		if wantAnswer[i] != "" {
			ch.Want(wantAnswer[i])
		}
		if wantAnswer[i+1] != "" {
			ch.Receive(wantAnswer[i+1])
		}
	}
	ch.WantIdle()
	return returned(t, done)
}
