package gatt

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// fitsChar is how many handles a characteristic takes at least: its declaration
// and its value.
const fitsChar = 2

// room returns how many handles from h to the end of the service there are.
func (s *Service) room(h att.Handle) int { return int(s.End) - int(h) + 1 }

// characteristics discovers those of all services, which are in ascending order,
// in one walk from a handle on. With leaveTail, it does not ask what is behind
// an answer that could have held one characteristic more but did not, if that
// leaves only handles that will be asked for descriptors anyway.
func (d *discovery) characteristics(services []Service, from att.Handle, leaveTail bool) error {
	// Where the next characteristic could be: the first handle from h on, in or
	// behind the service i, with room enough.
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
	i := 0 // the service of the last declaration
	err := walk("characteristics", r, func(r att.HandleRange) (att.Handle, error) {
		mtu := d.c.MTU()
		rsp, err := do(d.ctx, d.c, nil, att.ReadByTypeReq{Start: r.Start, End: r.End, Type: UUID16(typeCharacteristic)})
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
			services[i].addCharacteristic(chr)
			// The value stands right behind its declaration (Vol 3, Part G,
			// 3.3.2), so nothing can be declared there.
			next = after(chr.Handle)
			if chr.Value == next {
				next = after(next)
			}
		}
		if next <= r.Start {
			return att.HandleNone, nil // the end of all handles
		}
		const head = 2
		full := head+len(rsp.Data)+int(rsp.Length) > mtu
		if leaveTail && !full && services[i].endsBefore(next) && seek(i+1, 0) == att.HandleNone {
			return att.HandleNone, nil
		}
		return seek(i, next), nil
	})
	if err != nil {
		return err
	}
	for i := range services {
		services[i].setEnds()
	}
	return nil
}

// readDeclaration reads the value of a characteristic declaration.
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

// addCharacteristic appends a characteristic that lies in the service as it should. Others
// are no use to anybody and are left out, as the rest of the table may be good.
func (s *Service) addCharacteristic(chr Characteristic) {
	if s.Handle < chr.Handle && chr.Handle < chr.Value && chr.Value <= s.End {
		s.Characteristics = append(s.Characteristics, chr)
	}
}

// endsBefore reports whether the last characteristic ends its value right before
// h, so that what follows can be its descriptors.
func (s *Service) endsBefore(h att.Handle) bool {
	n := len(s.Characteristics)
	return n > 0 && after(s.Characteristics[n-1].Value) == h
}

// setEnds sets the end of each characteristic, right before the next one or at
// the end of the service. One whose value then lies outside is left out.
func (s *Service) setEnds() {
	kept := s.Characteristics[:0]
	for i, chr := range s.Characteristics {
		chr.End = s.End
		if i+1 < len(s.Characteristics) {
			chr.End = s.Characteristics[i+1].Handle - 1
		}
		if chr.Value <= chr.End {
			kept = append(kept, chr)
		}
	}
	s.Characteristics = kept
}

// includes discovers the includes of services that have room for any before
// their first characteristic.
func (d *discovery) includes(services []Service) error {
	// seek returns the first handle from h on where there could be an include.
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
	return walk("included services", r, func(r att.HandleRange) (att.Handle, error) {
		rsp, err := do(d.ctx, d.c, nil, att.ReadByTypeReq{Start: r.Start, End: r.End, Type: UUID16(typeInclude)})
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
	})
}

// includeRoom returns the handles between the declaration of the service and its
// first characteristic; first is above last if there are none.
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

// addInclude takes the value of an include declaration. A 128-bit UUID is not in
// it: see nameIncludes.
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

// nameIncludes finds the UUIDs that are not in include declarations, in what is
// known or in the declaration of the service that is included. An include that
// leads nowhere is left out.
func (d *discovery) nameIncludes(services []Service) error {
	for i := range services {
		s := &services[i]
		named := s.Includes[:0]
		for _, inc := range s.Includes {
			if included := serviceAt(services, inc.Start); inc.UUID == (UUID{}) && included != nil {
				inc.UUID = included.UUID
			}
			if inc.UUID == (UUID{}) {
				rsp, err := do(d.ctx, d.c, nil, att.ReadReq{Handle: inc.Start})
				var refused *att.Error
				if errors.As(err, &refused) && !errors.Is(err, ErrStale) {
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
