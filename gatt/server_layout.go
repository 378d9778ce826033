package gatt

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// layout builds a table from definitions, handle by handle.
type layout struct {
	t    table
	next int // the lowest free handle, up to 0x10000
	defs []ServiceDef
}

// newTable returns the table for definitions of services.
func newTable(defs []ServiceDef) (*table, error) {
	l := &layout{next: int(att.HandleMin), defs: defs}
	for i := range defs {
		if err := l.placeService(&defs[i]); err != nil {
			return nil, fmt.Errorf("gatt: service %s: %w", defs[i].UUID, err)
		}
	}
	// Includes name services that may come later.
	for i := range defs {
		if err := l.fillIncludes(&l.t.profile.Services[i], defs[i].Includes); err != nil {
			return nil, fmt.Errorf("gatt: service %s: %w", defs[i].UUID, err)
		}
	}
	l.t.hash = databaseHash(l.t.attrs)
	return &l.t, nil
}

// placeHandle allocates the handle want, or the next free one if want is 0.
func (l *layout) placeHandle(want att.Handle) (att.Handle, error) {
	h := int(want)
	if want == att.HandleNone {
		h = l.next
	}
	switch {
	case h > int(att.HandleMax):
		return 0, fmt.Errorf("no handle left above %s", att.HandleMax)
	case h < l.next:
		return 0, fmt.Errorf("handle %s is not free: give %s or above, or 0 for the next", want, att.Handle(l.next))
	}
	l.next = h + 1
	return att.Handle(h), nil
}

// addAttribute appends an attribute with its initial value, which is copied.
func (l *layout) addAttribute(a attribute, value []byte) {
	a.end = a.handle
	a.value = new(atomic.Pointer[[]byte])
	a.store(slices.Clone(value))
	l.t.attrs = append(l.t.attrs, a)
}

// addDeclaration appends an attribute that all clients may read and none may
// write.
func (l *layout) addDeclaration(h att.Handle, typ uint16, value []byte) {
	l.addAttribute(attribute{handle: h, typ: UUID16(typ), readable: true, minLen: len(value), maxLen: len(value)}, value)
}

func (l *layout) placeService(d *ServiceDef) error {
	if d.UUID == (UUID{}) {
		return fmt.Errorf("no UUID")
	}
	h, err := l.placeHandle(d.Handle)
	if err != nil {
		return err
	}
	typ := uint16(typePrimaryService)
	if d.Secondary {
		typ = typeSecondaryService
	}
	first := len(l.t.attrs)
	l.addDeclaration(h, typ, d.UUID.AppendWire(nil))
	s := Service{UUID: d.UUID, Handle: h, Primary: !d.Secondary}
	for range d.Includes {
		ih, err := l.placeHandle(att.HandleNone)
		if err != nil {
			return err
		}
		l.addDeclaration(ih, typeInclude, nil)
		s.Includes = append(s.Includes, Include{Handle: ih})
	}
	for i := range d.Characteristics {
		c, err := l.placeCharacteristic(d.UUID, &d.Characteristics[i])
		if err != nil {
			return fmt.Errorf("characteristic %s: %w", d.Characteristics[i].UUID, err)
		}
		s.Characteristics = append(s.Characteristics, c)
	}
	s.End = att.Handle(l.next - 1)
	if d.End != att.HandleNone {
		if d.End < s.End {
			return fmt.Errorf("end %s lies before the last attribute at %s", d.End, s.End)
		}
		s.End, l.next = d.End, int(d.End)+1
	}
	l.t.attrs[first].end = s.End
	s.setEnds()
	for _, c := range s.Characteristics {
		l.t.attributeAt(c.Handle).end = c.End
	}
	l.t.profile.Services = append(l.t.profile.Services, s)
	return nil
}

// fillIncludes fills in the include declarations of a service.
func (l *layout) fillIncludes(s *Service, defs []IncludeDef) error {
	for i, d := range defs {
		j := slices.IndexFunc(l.t.profile.Services, func(o Service) bool {
			return o.UUID == d.UUID && (d.Handle == att.HandleNone || o.Handle == d.Handle)
		})
		if j < 0 {
			return fmt.Errorf("includes service %s at %s, which is not in the table", d.UUID, d.Handle)
		}
		o := l.t.profile.Services[j]
		inc := &s.Includes[i]
		inc.UUID, inc.Start, inc.End = o.UUID, o.Handle, o.End
		v := wire.AppendU16(wire.AppendU16(nil, uint16(o.Handle)), uint16(o.End))
		if _, ok := o.UUID.Short(); ok {
			v = o.UUID.AppendWire(v) // a 128-bit UUID is left out (Vol 3, Part G, 3.2)
		}
		a := l.t.attributeAt(inc.Handle)
		a.minLen, a.maxLen = len(v), len(v)
		a.store(v)
	}
	return nil
}

// placeCharacteristic places a characteristic, whose end is known only with its
// service.
func (l *layout) placeCharacteristic(svc UUID, d *CharDef) (Characteristic, error) {
	if d.UUID == (UUID{}) {
		return Characteristic{}, fmt.Errorf("no UUID")
	}
	props := d.Properties
	if d.ReliableWrite || d.WritableAuxiliaries {
		props |= PropExtended
	}
	decl, err := l.placeHandle(d.Handle)
	if err != nil {
		return Characteristic{}, err
	}
	value, err := l.placeHandle(att.HandleNone)
	if err != nil {
		return Characteristic{}, err
	}
	c := Characteristic{UUID: d.UUID, Handle: decl, Value: value, Properties: props}
	first := len(l.t.attrs)
	l.addDeclaration(decl, typeCharacteristic, d.UUID.AppendWire(wire.AppendU16([]byte{byte(props)}, uint16(value))))
	a := attribute{
		handle:   value,
		typ:      d.UUID,
		role:     l.roleOf(svc, d, value),
		readable: props.Has(PropRead),
		writable: props.Has(PropWrite),
		commands: props.Has(PropWriteWithoutResponse),
		signed:   props.Has(PropSignedWrite),
		perms:    d.Permissions,
		read:     d.Read,
		write:    d.Write,
		queue:    d.notifyQueue(),
		wait:     d.NotifyWait,
	}
	if a.minLen, a.maxLen, err = bounds(d.MinLen, d.MaxLen, d.Value, d.Read != nil); err != nil {
		return Characteristic{}, err
	}
	l.addAttribute(a, d.Value)
	for _, dd := range l.descriptors(d, props) {
		h, err := l.placeDescriptor(d, &dd, props, value)
		if err != nil {
			return Characteristic{}, fmt.Errorf("descriptor %s: %w", dd.UUID, err)
		}
		if dd.UUID == UUID16(typeCCCD) {
			if cccd := &l.t.attrs[first+1].cccd; *cccd == att.HandleNone {
				*cccd = h
			} else {
				return Characteristic{}, fmt.Errorf("two Client Characteristic Configurations; a characteristic has one at most")
			}
		}
		c.Descriptors = append(c.Descriptors, Descriptor{UUID: dd.UUID, Handle: h})
	}
	return c, nil
}

// roleOf returns the role of a characteristic of the Generic Attribute service
// that the server itself implements, which it does unless the characteristic has
// handlers.
func (l *layout) roleOf(svc UUID, d *CharDef, value att.Handle) role {
	if svc != UUID16(typeGenericAttribute) || d.Read != nil || d.Write != nil {
		return rolePlain
	}
	switch d.UUID {
	case UUID16(typeServiceChanged):
		l.t.serviceChanged = value
	case UUID16(typeClientSupportedFeatures):
		l.t.features = value
		return roleFeatures
	case UUID16(typeDatabaseHash):
		l.t.hashValue = value
		return roleHash
	case UUID16(typeServerSupportedFeatures):
		return roleServerFeatures
	}
	return rolePlain
}

// descriptors returns the descriptors of a characteristic, including those that
// its properties require.
func (l *layout) descriptors(d *CharDef, props Properties) []DescDef {
	var auto []DescDef
	has := func(u UUID) bool {
		return slices.ContainsFunc(d.Descriptors, func(dd DescDef) bool { return dd.UUID == u })
	}
	if u := UUID16(typeCCCD); props&(PropNotify|PropIndicate) != 0 && !has(u) {
		auto = append(auto, DescDef{UUID: u})
	}
	if u := UUID16(typeExtendedProperties); props.Has(PropExtended) && !has(u) {
		auto = append(auto, DescDef{UUID: u})
	}
	return append(auto, d.Descriptors...)
}

func (l *layout) placeDescriptor(c *CharDef, d *DescDef, props Properties, value att.Handle) (att.Handle, error) {
	if d.UUID == (UUID{}) {
		return 0, fmt.Errorf("no UUID")
	}
	h, err := l.placeHandle(d.Handle)
	if err != nil {
		return 0, err
	}
	switch d.UUID {
	case UUID16(typeCCCD):
		l.addAttribute(attribute{
			handle: h, typ: d.UUID, role: roleCCCD,
			readable: true, writable: true, minLen: 2, maxLen: 2,
			perms:     Permissions{Write: c.Permissions.Subscribe},
			char:      c.UUID,
			owner:     value,
			props:     props,
			subscribe: c.Subscribe,
		}, nil)
		return h, nil
	case UUID16(typeExtendedProperties):
		var bits uint16
		if c.ReliableWrite {
			bits |= 0x0001
		}
		if c.WritableAuxiliaries {
			bits |= 0x0002
		}
		l.addDeclaration(h, typeExtendedProperties, wire.AppendU16(nil, bits))
		return h, nil
	}
	a := attribute{
		handle:   h,
		typ:      d.UUID,
		readable: !d.Unreadable,
		writable: d.Writable,
		perms:    d.Permissions,
		read:     d.Read,
		write:    d.Write,
	}
	if a.minLen, a.maxLen, err = bounds(d.MinLen, d.MaxLen, d.Value, d.Read != nil); err != nil {
		return 0, err
	}
	l.addAttribute(a, d.Value)
	return h, nil
}

// bounds validates the lengths of a definition and fills in the default.
func bounds(least, most int, value []byte, dynamic bool) (int, int, error) {
	if most == 0 {
		most = MaxValue
	}
	switch {
	case most > MaxValue:
		return 0, 0, fmt.Errorf("values of up to %d octets, but an attribute holds at most %d", most, MaxValue)
	case least < 0 || least > most:
		return 0, 0, fmt.Errorf("values of at least %d octets, want 0 to %d", least, most)
	case !dynamic && (len(value) < least || len(value) > most):
		return 0, 0, fmt.Errorf("value of %d octets, want %d to %d", len(value), least, most)
	}
	return least, most, nil
}
