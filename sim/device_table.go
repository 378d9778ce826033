package sim

import (
	"slices"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/aescmac"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// Types of attributes that a Device knows (Assigned Numbers, 3.5 and 3.6).
const (
	typePrimary            = 0x2800
	typeSecondary          = 0x2801
	typeInclude            = 0x2802
	typeCharacteristic     = 0x2803
	typeExtendedProperties = 0x2900
	typeCCCD               = 0x2902
	typeServiceChanged     = 0x2A05
	typeDatabaseHash       = 0x2B2A
)

// Attribute is one row of a Device's table.
type Attribute struct {
	Handle att.Handle
	Type   uuid.UUID
	Value  []byte
	// Properties are the accesses that a client has: PropRead, PropWrite,
	// PropWriteWithoutResponse.
	Properties gatt.Properties
	// Encrypted requires encryption to read or write the value.
	Encrypted bool
	// End is the last handle of a service, in its declaration. Default: that of
	// its last attribute.
	End att.Handle
}

// Table is the attribute table of a Device, in ascending order of handles. A
// Device serves it as it is, sensible or not.
type Table []Attribute

// NewTable lays services out as a table that begins at handle 1, or at the
// handles that the definitions give. It uses their UUIDs, handles, properties,
// permissions, values and descriptors, and ignores handlers. It adds no services.
// A characteristic with PropNotify or PropIndicate gets a CCCD unless it defines
// one. A Database Hash (0x2B2A) without a value gets the table's hash.
func NewTable(services ...gatt.ServiceDef) Table {
	var t Table
	next := att.Handle(1)
	add := func(at att.Handle, a Attribute) {
		next = max(next, at)
		a.Handle = next
		t = append(t, a)
		next++
	}
	for i := range services {
		s := &services[i]
		kind := uuid.From16(typePrimary)
		if s.Secondary {
			kind = uuid.From16(typeSecondary)
		}
		add(s.Handle, Attribute{Type: kind, Value: s.UUID.AppendWire(nil), Properties: gatt.PropRead, End: s.End})
		for _, inc := range s.Includes {
			add(0, Attribute{Type: uuid.From16(typeInclude), Value: included(t, inc), Properties: gatt.PropRead})
		}
		for j := range s.Characteristics {
			addCharacteristic(&s.Characteristics[j], add, func() att.Handle { return next })
		}
		if s.End > 0 {
			next = max(next, s.End+1)
		}
	}
	t.fillHash()
	return t
}

func addCharacteristic(c *gatt.CharDef, add func(att.Handle, Attribute), next func() att.Handle) {
	declared := max(next(), c.Handle)
	value := wire.AppendU16([]byte{byte(c.Properties)}, uint16(declared)+1)
	add(c.Handle, Attribute{
		Type: uuid.From16(typeCharacteristic), Value: c.UUID.AppendWire(value), Properties: gatt.PropRead,
	})
	guarded := c.Permissions.Read != (gatt.Require{}) || c.Permissions.Write != (gatt.Require{})
	add(0, Attribute{Type: c.UUID, Value: slices.Clone(c.Value), Properties: c.Properties, Encrypted: guarded})
	cccd := c.Properties&(gatt.PropNotify|gatt.PropIndicate) != 0
	for _, d := range c.Descriptors {
		p := gatt.PropRead
		if d.Writable {
			p |= gatt.PropWrite
		}
		cccd = cccd && d.UUID != uuid.From16(typeCCCD)
		add(d.Handle, Attribute{Type: d.UUID, Value: slices.Clone(d.Value), Properties: p})
	}
	if cccd {
		add(0, Attribute{
			Type: uuid.From16(typeCCCD), Value: []byte{0, 0}, Properties: gatt.PropRead | gatt.PropWrite,
			Encrypted: c.Permissions.Subscribe != (gatt.Require{}),
		})
	}
}

// Without returns the table without the attributes of the given types, such as
// the CCCDs (0x2902). The other attributes keep their handles.
func (t Table) Without(types ...uuid.UUID) Table {
	return slices.DeleteFunc(slices.Clone(t), func(a Attribute) bool { return slices.Contains(types, a.Type) })
}

// Find returns the handle of the first attribute of a type, or 0. The type of a
// characteristic value is the UUID of the characteristic.
func (t Table) Find(u uuid.UUID) att.Handle {
	for _, a := range t {
		if a.Type == u {
			return a.Handle
		}
	}
	return 0
}

// GenericAccess defines a Generic Access service with a device name.
func GenericAccess(name string) gatt.ServiceDef {
	return gatt.ServiceDef{UUID: uuid.From16(0x1800), Characteristics: []gatt.CharDef{
		{UUID: uuid.From16(0x2A00), Properties: gatt.PropRead, Value: []byte(name)},
		{UUID: uuid.From16(0x2A01), Properties: gatt.PropRead, Value: []byte{0, 0}},
	}}
}

// GenericAttribute defines a Generic Attribute service, with Service Changed and
// with Database Hash if they are asked for.
func GenericAttribute(serviceChanged, databaseHash bool) gatt.ServiceDef {
	s := gatt.ServiceDef{UUID: uuid.From16(0x1801)}
	if serviceChanged {
		s.Characteristics = append(s.Characteristics, gatt.CharDef{
			UUID: uuid.From16(typeServiceChanged), Properties: gatt.PropIndicate, Value: make([]byte, 4),
		})
	}
	if databaseHash {
		s.Characteristics = append(s.Characteristics, gatt.CharDef{UUID: uuid.From16(typeDatabaseHash), Properties: gatt.PropRead})
	}
	return s
}

// included is the value of an include declaration.
func included(t Table, inc gatt.IncludeDef) []byte {
	want := inc.UUID.AppendWire(nil)
	for i, a := range t {
		if t.isService(i) && slices.Equal(a.Value, want) && (inc.Handle == 0 || inc.Handle == a.Handle) {
			b := wire.AppendU16(wire.AppendU16(nil, uint16(a.Handle)), uint16(t.groupEnd(i)))
			if len(want) == 2 {
				b = append(b, want...)
			}
			return b
		}
	}
	return nil
}

func (t Table) isService(i int) bool {
	return t[i].Type == uuid.From16(typePrimary) || t[i].Type == uuid.From16(typeSecondary)
}

// groupEnd is the last handle of the service whose declaration is row i.
func (t Table) groupEnd(i int) att.Handle {
	if t[i].End > 0 {
		return t[i].End
	}
	end := t[i].Handle
	for i++; i < len(t) && !t.isService(i); i++ {
		end = t[i].Handle
	}
	return end
}

// row returns the attribute of a handle, or nil.
func (t Table) row(h att.Handle) *Attribute {
	for i := range t {
		if t[i].Handle == h {
			return &t[i]
		}
	}
	return nil
}

// fillHash gives a Database Hash without a value the hash of the table
// (Vol 3, Part G, 7.3.1), least significant octet first.
func (t Table) fillHash() {
	i := slices.IndexFunc(t, func(a Attribute) bool { return a.Type == uuid.From16(typeDatabaseHash) && len(a.Value) == 0 })
	if i < 0 {
		return
	}
	var m []byte
	for _, a := range t {
		v, ok := a.Type.Short()
		declares := v >= typePrimary && v <= typeCharacteristic || v == typeExtendedProperties
		if !ok || !declares && (v <= typeExtendedProperties || v > 0x2905) {
			continue
		}
		m = wire.AppendU16(wire.AppendU16(m, uint16(a.Handle)), v)
		if declares {
			m = append(m, a.Value...)
		}
	}
	h := aescmac.Sum([aescmac.Size]byte{}, m)
	slices.Reverse(h[:])
	t[i].Value = h[:]
}
