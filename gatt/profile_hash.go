package gatt

import (
	"cmp"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// Hash computes the Database Hash of a server with this table (Vol 3, Part G,
// 7.3.1), least significant octet first; some servers send it reversed. ok is false
// if the input of the hash includes a Characteristic Extended Properties
// descriptor, whose value discovery does not read.
func (p *Profile) Hash() (hash [16]byte, ok bool) {
	var parts []hashed
	for i := range p.Services {
		s := &p.Services[i]
		t := uint16(typeSecondaryService)
		if s.Primary {
			t = typePrimaryService
		}
		parts = append(parts, declared(s.Handle, t, s.UUID.AppendWire(nil)))
		for _, inc := range s.Includes {
			v := wire.AppendU16(wire.AppendU16(nil, uint16(inc.Start)), uint16(inc.End))
			if _, short := inc.UUID.Short(); short {
				v = inc.UUID.AppendWire(v)
			}
			parts = append(parts, declared(inc.Handle, typeInclude, v))
		}
		for _, c := range s.Characteristics {
			v := wire.AppendU16([]byte{byte(c.Properties)}, uint16(c.Value))
			parts = append(parts, declared(c.Handle, typeCharacteristic, c.UUID.AppendWire(v)))
			for _, d := range c.Descriptors {
				switch t, _ := d.UUID.Short(); t {
				case typeExtendedProperties:
					return hash, false
				case typeUserDescription, typeCCCD, typeSCCD, typePresentationFormat, typeAggregateFormat:
					parts = append(parts, declared(d.Handle, t, nil))
				}
			}
		}
	}
	slices.SortFunc(parts, func(a, b hashed) int { return cmp.Compare(a.handle, b.handle) })
	var m []byte
	for _, x := range parts {
		m = append(m, x.octets...)
	}
	return sumHash(m), true
}

// hashed is the input that one attribute adds to the hash.
type hashed struct {
	handle att.Handle
	octets []byte
}

func declared(h att.Handle, t uint16, value []byte) hashed {
	return hashed{h, append(wire.AppendU16(wire.AppendU16(nil, uint16(h)), t), value...)}
}
