package remote

import (
	"fmt"
	"slices"
	"sync"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// Types of attributes of the profile (Assigned Numbers, 3.5 and 3.6).
const (
	typePrimary        = 0x2800
	typeSecondary      = 0x2801
	typeCharacteristic = 0x2803
	typeCCCD           = 0x2902
)

// maxAttributes is how many attributes a table has at most, and maxTables how many tables
// are remembered.
const (
	maxAttributes = 4096
	maxTables     = 1024
)

// attributeKind is how the proxy is asked for an attribute.
type attributeKind uint8

const (
	declaration attributeKind = iota // it is known here
	valueOf                          // of a characteristic
	descriptor
)

// attribute is one row of a table.
type attribute struct {
	handle att.Handle
	end    att.Handle // of a service: its last handle
	typ    uuid.UUID
	kind   attributeKind
	value  []byte     // of a declaration
	parent att.Handle // of a descriptor: the value of its characteristic
}

// table is the attribute table of a device, in ascending order of handles. It is complete,
// and does not change.
type table []attribute

// newTable makes the table that a proxy describes. The proxy leaves out the declarations of
// characteristics, which precede their values, and the ends of services: one ends where the
// next one begins.
func newTable(services []esphome.Service) (table, error) {
	var t table
	add := func(a attribute, handle uint32) error {
		last := att.Handle(0)
		if len(t) > 0 {
			last = t[len(t)-1].handle
		}
		if handle <= uint32(last) || handle > 0xFFFF {
			return fmt.Errorf("the proxy lists handle %d after %d", handle, last)
		}
		if len(t) == maxAttributes {
			return fmt.Errorf("the proxy lists more than %d attributes", maxAttributes)
		}
		a.handle = att.Handle(handle)
		t = append(t, a)
		return nil
	}
	for _, s := range services {
		u, err := esphome.DecodeUUID(s.UUID, s.Short)
		if err != nil {
			return nil, err
		}
		if err := add(attribute{typ: uuid.From16(typePrimary), value: u.AppendWire(nil)}, s.Handle); err != nil {
			return nil, err
		}
		for i := range s.Characteristics {
			if err := addCharacteristic(&s.Characteristics[i], add); err != nil {
				return nil, err
			}
		}
	}
	t.findEnds()
	return t, nil
}

func addCharacteristic(c *esphome.Characteristic, add func(attribute, uint32) error) error {
	u, err := esphome.DecodeUUID(c.UUID, c.Short)
	if err != nil {
		return err
	}
	if c.Handle == 0 || c.Handle > 0xFFFF {
		return fmt.Errorf("the proxy lists a characteristic with the handle %d", c.Handle)
	}
	value := att.Handle(c.Handle)
	declared := u.AppendWire(wire.AppendU16([]byte{byte(c.Properties)}, uint16(value))) //nolint:gosec // properties are one octet
	if err := add(attribute{typ: uuid.From16(typeCharacteristic), value: declared}, c.Handle-1); err != nil {
		return err
	}
	if err := add(attribute{typ: u, kind: valueOf}, c.Handle); err != nil {
		return err
	}
	for _, d := range c.Descriptors {
		u, err := esphome.DecodeUUID(d.UUID, d.Short)
		if err != nil {
			return err
		}
		if err := add(attribute{typ: u, kind: descriptor, parent: value}, d.Handle); err != nil {
			return err
		}
	}
	return nil
}

// findEnds enters the last handle of each service.
func (t table) findEnds() {
	end := att.Handle(0)
	for i := len(t) - 1; i >= 0; i-- {
		if end == 0 {
			end = t[i].handle
		}
		if t[i].isService() {
			t[i].end = end
			end = t[i].handle - 1
		}
	}
}

func (a *attribute) isService() bool {
	return a.kind == declaration && a.typ == uuid.From16(typePrimary)
}

// find returns the attribute with a handle, or nil.
func (t table) find(h att.Handle) *attribute {
	i, ok := slices.BinarySearchFunc(t, h, func(a attribute, h att.Handle) int { return int(a.handle) - int(h) })
	if !ok {
		return nil
	}
	return &t[i]
}

// tables remembers the tables of devices, for links with the cache of the proxy.
type tables struct {
	mu  sync.Mutex // leaf
	all map[hci.MAC]table
}

func newTables() *tables { return &tables{all: map[hci.MAC]table{}} }

func (s *tables) get(mac hci.MAC) table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[mac]
}

func (s *tables) put(mac hci.MAC, t table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxTables {
		clear(s.all)
	}
	s.all[mac] = t
}

func (s *tables) remove(mac hci.MAC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, mac)
}
