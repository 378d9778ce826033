package gatt

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// fitsChar is the least number of handles of a characteristic: its declaration
// and its value.
const fitsChar = 2

// room returns the number of handles from h to the end of the service.
func (s *Service) room(h att.Handle) int { return int(s.End) - int(h) + 1 }

// characteristics discovers the characteristics of all services, which are in
// ascending order, in one walk that begins at from. With leaveTail it ends
// early: after an answer that had room for another characteristic, if the
// remaining handles belong to the last characteristic and will be requested for
// its descriptors anyway.
func (d *discovery) characteristics(services []Service, from att.Handle, leaveTail bool) error {
	// seek returns the first handle from h on where a characteristic may be
	// declared, in the service i or a later one.
	seek := func(i int, h att.Handle) att.Handle {
		for ; i < len(services); i++ {
			s := &services[i]
			if h = max(h, s.Handle+1); s.Handle != s.End && h != att.HandleNone && s.room(h) >= fitsChar {
				return h
			}
		}
		return att.HandleNone
	}
	r := att.HandleRange{Start: seek(0, from)}
	for i := range services {
		if s := &services[i]; s.room(s.Handle) > fitsChar {
			r.End = s.End
		}
	}
	if r.Start == att.HandleNone {
		return nil
	}
	i := 0 // the service of the latest declaration
	err := walk("characteristics", r, func(r att.HandleRange) (att.Handle, error) {
		mtu := d.c.MTU()
		d.byType = att.ReadByTypeReq{Start: r.Start, End: r.End, Type: UUID16(typeCharacteristic)}
		rsp, err := do(d.ctx, d.c, d.cond, &d.byType)
		if err != nil {
			return 0, err
		}
		var next att.Handle
		for e := range rsp.All() {
			chr, err := readDeclaration(e)
			if err != nil {
				return 0, err
			}
			if err := d.found(); err != nil {
				return 0, err
			}
			for i < len(services)-1 && services[i].End < chr.Handle {
				i++
			}
			services[i].addCharacteristic(chr, len(rsp.Data)/int(rsp.Length))
			// The value has the handle behind its declaration (Vol 3, Part G,
			// 3.3.2), so the next declaration cannot be there.
			next = after(chr.Handle)
			if chr.Value == next {
				next = after(next)
			}
		}
		if next <= r.Start {
			return att.HandleNone, nil // the last handle
		}
		const head = 2
		full := head+len(rsp.Data)+int(rsp.Length) > mtu
		if leaveTail && !full && services[i].endsBefore(next) && seek(i+1, 0) == att.HandleNone {
			return att.HandleNone, nil
		}
		return seek(i, next), nil
	})
	if err := d.keepRead(err); err != nil {
		return err
	}
	for i := range services {
		services[i].setEnds()
		if err := d.checkValues(&services[i], from); err != nil {
			return err
		}
	}
	return nil
}

// readDeclaration decodes the value of a characteristic declaration.
//
//	+------------+--------------+------------+
//	| properties | value handle | UUID       |
//	| 1          | 2            | 2 or 16    |
//	+------------+--------------+------------+
func readDeclaration(e att.AttributeData) (Characteristic, error) {
	v := wire.NewReader(e.Value)
	chr := Characteristic{Handle: e.Handle, Properties: Properties(v.U8()), Value: att.Handle(v.U16())}
	if v.Err() != nil {
		return chr, fmt.Errorf("characteristic declaration at %s: %w", e.Handle, v.Err())
	}
	var err error
	if chr.UUID, err = readUUID(&v); err != nil {
		return chr, fmt.Errorf("characteristic declaration at %s: %w", e.Handle, err)
	}
	return chr, nil
}

// addCharacteristic appends a characteristic, one of an answer with n, if the
// service has room for it. Other ones are left out, since the rest of the table
// may be usable.
func (s *Service) addCharacteristic(chr Characteristic, n int) {
	if s.Handle < chr.Handle && chr.Handle < s.End {
		if s.Characteristics == nil {
			s.Characteristics = make([]Characteristic, 0, min(n, s.room(chr.Handle)/fitsChar))
		}
		s.Characteristics = append(s.Characteristics, chr)
	}
}

// endsBefore reports whether the value of the last characteristic lies right
// before h, so that its descriptors may begin there.
func (s *Service) endsBefore(h att.Handle) bool {
	n := len(s.Characteristics)
	return n > 0 && after(s.Characteristics[n-1].Value) == h
}

// setEnds sets the end of each characteristic: right before the next one, or at
// the end of the service.
func (s *Service) setEnds() {
	for i := range s.Characteristics {
		chr := &s.Characteristics[i]
		chr.End = s.End
		if i+1 < len(s.Characteristics) {
			chr.End = s.Characteristics[i+1].Handle - 1
		}
	}
}

// includes discovers the includes of services that have handles before their
// first characteristic.
func (d *discovery) includes(services []Service) error {
	// seek returns the first handle from h on where an include may be declared.
	seek := func(h att.Handle) att.Handle {
		for i := range services {
			if first, last := services[i].includeRoom(); first <= last && h <= last {
				return max(h, first)
			}
		}
		return att.HandleNone
	}
	r := att.HandleRange{Start: seek(att.HandleMin)}
	for i := range services {
		if first, last := services[i].includeRoom(); first <= last {
			r.End = last
		}
	}
	if r.Start == att.HandleNone {
		return nil
	}
	return d.keepRead(walk("included services", r, func(r att.HandleRange) (att.Handle, error) {
		d.byType = att.ReadByTypeReq{Start: r.Start, End: r.End, Type: UUID16(typeInclude)}
		rsp, err := do(d.ctx, d.c, d.cond, &d.byType)
		if err != nil {
			return 0, err
		}
		var last att.Handle
		for e := range rsp.All() {
			if err := d.found(); err != nil {
				return 0, err
			}
			if err := addInclude(services, e); err != nil {
				return 0, err
			}
			last = e.Handle
		}
		if last == att.HandleMax {
			return att.HandleNone, nil
		}
		return seek(after(last)), nil
	}))
}

// includeRoom returns the handles between the declaration of the service and its
// first characteristic; if there are none, first > last.
func (s *Service) includeRoom() (first, last att.Handle) {
	last = s.End
	if len(s.Characteristics) > 0 {
		last = s.Characteristics[0].Handle - 1
	}
	if s.Handle == s.End {
		return 1, 0
	}
	return s.Handle + 1, last
}

// addInclude decodes the value of an include declaration and adds it to its
// service. The value has no 128-bit UUID: see nameIncludes.
//
//	+--------------+------------+-------------------+
//	| first handle | end handle | UUID, if 16 bits  |
//	| 2            | 2          | 0 or 2            |
//	+--------------+------------+-------------------+
func addInclude(services []Service, e att.AttributeData) error {
	v := wire.NewReader(e.Value)
	inc := Include{Handle: e.Handle, Start: att.Handle(v.U16()), End: att.Handle(v.U16())}
	if v.Err() != nil {
		return fmt.Errorf("include declaration at %s: %w", e.Handle, v.Err())
	}
	if v.Len() > 0 {
		var err error
		if inc.UUID, err = readUUID(&v); err != nil {
			return fmt.Errorf("include declaration at %s: %w", e.Handle, err)
		}
	}
	for i := range services {
		if s := &services[i]; s.Handle < e.Handle && e.Handle <= s.End {
			s.Includes = append(s.Includes, inc)
		}
	}
	return nil
}

// nameIncludes fills in the 128-bit UUIDs of includes, from the known services
// or by reading the declaration of the included service. It leaves out includes
// of services that do not exist.
func (d *discovery) nameIncludes(services []Service) error {
	for i := range services {
		s := &services[i]
		named := s.Includes[:0]
		for _, inc := range s.Includes {
			if included := serviceAt(services, inc.Start); inc.UUID == (UUID{}) && included != nil {
				inc.UUID = included.UUID
			}
			if inc.UUID == (UUID{}) {
				rsp, err := do(d.ctx, d.c, d.cond, att.ReadReq{Handle: inc.Start})
				if _, refused := errors.AsType[*att.Error](err); refused && !errors.Is(err, ErrStale) {
					continue
				}
				v := wire.NewReader(rsp.Value)
				if err == nil {
					inc.UUID, err = readUUID(&v)
				}
				if err != nil {
					return failed("included services", att.HandleRange{Start: inc.Start, End: inc.End}, err)
				}
			}
			named = append(named, inc)
		}
		s.Includes = named
	}
	return nil
}
