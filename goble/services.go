package goble

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/uuid"
)

// maxValue is the longest value of an attribute, in octets (Vol 3, Part F, 3.2.9).
const maxValue = 512

// defineServices returns the definitions of services, or an error that names the invalid one.
func (p *peripheral) defineServices(services []*ble.Service) ([]gatt.ServiceDef, error) {
	var defs []gatt.ServiceDef
	for i, s := range services {
		if s == nil {
			return nil, fmt.Errorf("goble: service %d is nil: use ble.NewService", i)
		}
		u, err := toUUID(s.UUID)
		if err != nil {
			return nil, err
		}
		def := gatt.ServiceDef{UUID: u}
		for _, c := range s.Characteristics {
			chr, err := p.defineChar(c)
			if err != nil {
				return nil, fmt.Errorf("%w, in service %v", err, s.UUID)
			}
			def.Characteristics = append(def.Characteristics, chr)
		}
		defs = append(defs, def)
	}
	return defs, nil
}

func (p *peripheral) defineChar(c *ble.Characteristic) (gatt.CharDef, error) {
	u, err := toUUID(c.UUID)
	if err != nil {
		return gatt.CharDef{}, err
	}
	def := gatt.CharDef{UUID: u, Properties: propertiesOf(c), Value: slices.Clone(c.Value)}
	if c.Value == nil {
		def.Read = p.serveRead(c.ReadHandler)
	}
	def.Write = p.serveWrite(c.WriteHandler)
	if def.Properties&(gatt.PropNotify|gatt.PropIndicate) != 0 {
		def.Subscribe = p.serveSubscribe(c)
	}
	for _, d := range c.Descriptors {
		u, err := toUUID(d.UUID)
		if err != nil {
			return gatt.CharDef{}, err
		}
		if d == c.CCCD || u == uuid.From16(0x2902) {
			continue // the server's own
		}
		desc := gatt.DescDef{
			UUID: u, Value: slices.Clone(d.Value), Writable: d.WriteHandler != nil,
			Unreadable: d.Value == nil && d.ReadHandler == nil,
		}
		if d.Value == nil && d.ReadHandler != nil {
			desc.Read = p.serveRead(d.ReadHandler)
		}
		if d.WriteHandler != nil {
			desc.Write = p.serveWrite(d.WriteHandler)
		}
		def.Descriptors = append(def.Descriptors, desc)
	}
	return def, nil
}

// propertiesOf returns the properties of a characteristic, with those that its handlers need.
// The server itself declares extended properties.
func propertiesOf(c *ble.Characteristic) gatt.Properties {
	p := c.Property &^ ble.CharExtended
	if c.Value != nil || c.ReadHandler != nil {
		p |= ble.CharRead
	}
	if c.WriteHandler != nil && p&(ble.CharWrite|ble.CharWriteNR|ble.CharSignedWrite) == 0 {
		p |= ble.CharWrite | ble.CharWriteNR
	}
	if c.NotifyHandler != nil {
		p |= ble.CharNotify
	}
	if c.IndicateHandler != nil {
		p |= ble.CharIndicate
	}
	return gatt.Properties(p)
}

func toUUID(u ble.UUID) (uuid.UUID, error) {
	to, ok := uuid.FromWire(u)
	if !ok {
		return uuid.UUID{}, fmt.Errorf("goble: UUID % x has %d octets, not 2 or 16: use ble.UUID16 or ble.Parse", []byte(u), len(u))
	}
	return to, nil
}

// fillHandles sets the handles of the services, and returns the value handles of their
// characteristics. Their service definitions are the last ones of the table.
func (p *peripheral) fillHandles() map[*ble.Characteristic]att.Handle {
	values := map[*ble.Characteristic]att.Handle{}
	table := p.h.Server().Profile().Services
	table = table[len(table)-len(p.services):]
	for i, s := range p.services {
		s.Handle, s.EndHandle = uint16(table[i].Handle), uint16(table[i].End)
		for j, c := range s.Characteristics {
			is := &table[i].Characteristics[j]
			c.Handle, c.ValueHandle, c.EndHandle = uint16(is.Handle), uint16(is.Value), uint16(is.End)
			values[c] = is.Value
			for _, d := range is.Descriptors {
				to := slices.IndexFunc(c.Descriptors, func(bd *ble.Descriptor) bool { return bd.UUID.Equal(fromUUID(d.UUID)) })
				switch {
				case to >= 0:
					c.Descriptors[to].Handle = uint16(d.Handle)
				case d.UUID == uuid.From16(0x2902):
					c.CCCD = ble.NewDescriptor(ble.ClientCharacteristicConfigUUID)
					c.CCCD.Handle = uint16(d.Handle)
				}
			}
		}
	}
	return values
}

// serveRead returns the server's handler for one of go-ble, which writes the part of the value
// from the offset of the request on. A nil handler refuses.
func (p *peripheral) serveRead(h ble.ReadHandler) func(context.Context, *gatt.ReadRequest) ([]byte, error) {
	return func(_ context.Context, r *gatt.ReadRequest) ([]byte, error) {
		if h == nil {
			return nil, att.CodeReadNotPermitted
		}
		s := p.findClient(r.Session)
		if s == nil {
			return nil, att.CodeUnlikelyError
		}
		room := min(s.conn.c.Bearer().MTU()-1, maxValue-r.Offset)
		if room < 0 {
			return nil, att.CodeInvalidOffset
		}
		part := bytes.NewBuffer(make([]byte, 0, room))
		w := ble.NewResponseWriter(part)
		h.ServeRead(ble.NewRequest(s.conn, nil, r.Offset), w)
		if w.Status() != ble.ErrSuccess {
			return nil, att.Code(w.Status())
		}
		return append(make([]byte, r.Offset), part.Bytes()...), nil
	}
}

// serveWrite is serveRead for writes. The parts of a long write arrive as one value.
func (p *peripheral) serveWrite(h ble.WriteHandler) func(context.Context, *gatt.WriteRequest) error {
	return func(_ context.Context, r *gatt.WriteRequest) error {
		if h == nil {
			return att.CodeWriteNotPermitted
		}
		s := p.findClient(r.Session)
		if s == nil {
			return att.CodeUnlikelyError
		}
		w := ble.NewResponseWriter(nil)
		h.ServeWrite(ble.NewRequest(s.conn, r.Value, r.Offset), w)
		if w.Status() != ble.ErrSuccess {
			return att.Code(w.Status())
		}
		return nil
	}
}
