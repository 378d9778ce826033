package gatt

import (
	"iter"
	"slices"
	"strings"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/uuid"
)

// UUID is a Bluetooth UUID.
type UUID = uuid.UUID

// UUID16 returns the UUID of a 16-bit assigned number.
func UUID16(v uint16) UUID { return uuid.From16(v) }

// Attribute types of the profile itself (Vol 3, Part G, 3.3 and 7), as 16-bit
// assigned numbers.
const (
	typePrimaryService   = 0x2800
	typeSecondaryService = 0x2801
	typeInclude          = 0x2802
	typeCharacteristic   = 0x2803
	typeCCCD             = 0x2902

	typeGenericAttribute        = 0x1801
	typeServiceChanged          = 0x2A05
	typeClientSupportedFeatures = 0x2B29
	typeDatabaseHash            = 0x2B2A
)

// Profile is the attribute table of a peer, in the order of handles. It is plain
// data that belongs to its holder.
type Profile struct {
	Services []Service `json:"services"`
}

// Service is a service and its contents (Vol 3, Part G, 3.1).
type Service struct {
	UUID            UUID             `json:"uuid"`
	Handle          att.Handle       `json:"handle"` // of the declaration
	End             att.Handle       `json:"end"`    // last handle of the service
	Primary         bool             `json:"primary"`
	Includes        []Include        `json:"includes,omitempty"`
	Characteristics []Characteristic `json:"characteristics,omitempty"`
}

// Range returns the range of handles of the service.
func (s *Service) Range() att.HandleRange { return att.HandleRange{Start: s.Handle, End: s.End} }

// Include is the inclusion of one service in another (Vol 3, Part G, 3.2).
type Include struct {
	Handle att.Handle `json:"handle"` // of the declaration
	UUID   UUID       `json:"uuid"`   // of the included service
	Start  att.Handle `json:"start"`  // its first handle
	End    att.Handle `json:"end"`    // its last handle
}

// Characteristic is a value with its descriptors (Vol 3, Part G, 3.3).
type Characteristic struct {
	UUID        UUID         `json:"uuid"`
	Handle      att.Handle   `json:"handle"` // of the declaration
	Value       att.Handle   `json:"value"`  // of the value
	End         att.Handle   `json:"end"`    // last handle of the characteristic
	Properties  Properties   `json:"properties"`
	Descriptors []Descriptor `json:"descriptors,omitempty"`
}

// Descriptor returns the first descriptor with a UUID.
func (c *Characteristic) Descriptor(u UUID) (Descriptor, bool) {
	for _, d := range c.Descriptors {
		if d.UUID == u {
			return d, true
		}
	}
	return Descriptor{}, false
}

// Descriptor is an attribute that describes a characteristic value (Vol 3, Part
// G, 3.3.3).
type Descriptor struct {
	UUID   UUID       `json:"uuid"`
	Handle att.Handle `json:"handle"`
}

// Properties are the accesses that a characteristic value allows (Vol 3, Part G,
// 3.3.1.1).
type Properties uint8

// The bits of Properties.
const (
	PropBroadcast            Properties = 0x01
	PropRead                 Properties = 0x02
	PropWriteWithoutResponse Properties = 0x04
	PropWrite                Properties = 0x08
	PropNotify               Properties = 0x10
	PropIndicate             Properties = 0x20
	PropSignedWrite          Properties = 0x40
	PropExtended             Properties = 0x80 // more are in the descriptor 0x2900
)

// Has reports whether all bits of q are set.
func (p Properties) Has(q Properties) bool { return p&q == q }

// String lists the properties, such as "read,notify"; "none" for none.
func (p Properties) String() string {
	var names []string
	for i, name := range [...]string{
		"broadcast", "read", "write-without-response", "write", "notify", "indicate", "signed-write", "extended",
	} {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ",")
}

// Clone returns a copy that shares nothing with p.
func (p *Profile) Clone() *Profile {
	q := &Profile{Services: slices.Clone(p.Services)}
	for i := range q.Services {
		s := &q.Services[i]
		s.Includes = slices.Clone(s.Includes)
		s.Characteristics = slices.Clone(s.Characteristics)
		for j := range s.Characteristics {
			c := &s.Characteristics[j]
			c.Descriptors = slices.Clone(c.Descriptors)
		}
	}
	return q
}

// Service returns the first service with a UUID, or nil. See ServicesOf for
// peers with several.
func (p *Profile) Service(u UUID) *Service {
	for s := range p.ServicesOf(u) {
		return s
	}
	return nil
}

// ServicesOf iterates over the services with a UUID.
func (p *Profile) ServicesOf(u UUID) iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for i := range p.Services {
			if p.Services[i].UUID == u && !yield(&p.Services[i]) {
				return
			}
		}
	}
}

// Characteristic returns the first characteristic with UUID chr in a service
// with UUID svc, and that service; nil if there is none.
func (p *Profile) Characteristic(svc, chr UUID) (*Service, *Characteristic) {
	for s := range p.ServicesOf(svc) {
		if c := s.Characteristic(chr); c != nil {
			return s, c
		}
	}
	return nil, nil
}

// FindCharacteristic returns the first characteristic with a UUID in any
// service, and that service; nil if there is none.
func (p *Profile) FindCharacteristic(chr UUID) (*Service, *Characteristic) {
	for i := range p.Services {
		if c := p.Services[i].Characteristic(chr); c != nil {
			return &p.Services[i], c
		}
	}
	return nil, nil
}

// CharacteristicAt returns the characteristic that a handle belongs to, be it
// the declaration, the value or a descriptor, and its service; nil if there is
// none.
func (p *Profile) CharacteristicAt(h att.Handle) (*Service, *Characteristic) {
	for i := range p.Services {
		s := &p.Services[i]
		for j := range s.Characteristics {
			if c := &s.Characteristics[j]; c.Handle <= h && h <= c.End {
				return s, c
			}
		}
	}
	return nil, nil
}

// Characteristic returns the first characteristic with a UUID, or nil. A service
// may have several with the same UUID.
func (s *Service) Characteristic(u UUID) *Characteristic {
	for i := range s.Characteristics {
		if s.Characteristics[i].UUID == u {
			return &s.Characteristics[i]
		}
	}
	return nil
}
