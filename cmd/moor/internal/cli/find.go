package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/uuid"
)

// found is the attribute that the command line names, in a device's table.
type found struct {
	Handle  att.Handle
	UUID    uuid.UUID
	Name    string               // of the UUID; "" if unknown
	Service *gatt.Service        // nil for a handle that is not in the table
	Char    *gatt.Characteristic // nil outside a characteristic
	Value   bool                 // the attribute is Char's value
}

// attributes calls yield with every value and descriptor of p, by ascending handle.
func attributes(p *gatt.Profile, yield func(found)) {
	for i := range p.Services {
		s := &p.Services[i]
		for j := range s.Characteristics {
			c := &s.Characteristics[j]
			yield(found{c.Value, c.UUID, assigned.Characteristic(c.UUID), s, c, true})
			for _, d := range c.Descriptors {
				yield(found{d.Handle, d.UUID, assigned.Descriptor(d.UUID), s, c, false})
			}
		}
	}
}

// tableOf returns the table of a device. It discovers the table if Establish has left
// that out, as for a device that has failed it before.
func tableOf(ctx context.Context, conn *connmgr.Client) (*gatt.Profile, error) {
	if p := conn.Profile(); p != nil {
		return p, nil
	}
	return conn.GATT().Discover(ctx)
}

// findOn returns the attribute that arg names on a device. A handle needs no table.
func findOn(ctx context.Context, conn *connmgr.Client, arg attrArg) (found, error) {
	if arg.Handle != 0 && conn.Profile() == nil {
		return found{Handle: arg.Handle}, nil
	}
	p, err := tableOf(ctx, conn)
	if err != nil {
		return found{}, err
	}
	return findAttribute(p, arg)
}

// findAttribute returns the attribute that arg names. A handle that is not in p, such
// as that of a declaration, is no error: the device decides.
func findAttribute(p *gatt.Profile, arg attrArg) (found, error) {
	var matches []found
	attributes(p, func(f found) {
		if arg.Handle != 0 && f.Handle == arg.Handle || arg.Handle == 0 && f.UUID == arg.UUID {
			matches = append(matches, f)
		}
	})
	switch {
	case len(matches) == 1:
		return matches[0], nil
	case arg.Handle != 0:
		return found{Handle: arg.Handle}, nil
	case len(matches) == 0:
		return found{}, &missingError{arg.UUID}
	}
	return found{}, &ambiguousError{arg.UUID, matches}
}

// findCharacteristic returns the characteristic that arg names. Its handle may be
// that of the value or of the declaration.
func findCharacteristic(p *gatt.Profile, arg attrArg) (found, error) {
	f, err := findAttribute(p, arg)
	if err != nil || f.Value {
		return f, err
	}
	service, char := p.CharacteristicAt(arg.Handle)
	if char == nil || arg.Handle == 0 || char.Handle != arg.Handle {
		return found{}, &noCharError{arg}
	}
	return found{char.Value, char.UUID, assigned.Characteristic(char.UUID), service, char, true}, nil
}

// noCharError says that an attribute is not a characteristic.
type noCharError struct{ arg attrArg }

func (e *noCharError) Error() string {
	return e.arg.String() + " is not a characteristic of the device"
}

// meantUUID returns a hint that h is a handle, if the user probably meant the UUID
// with the same digits; otherwise "".
func meantUUID(h att.Handle) string {
	u := uuid.From16(uint16(h))
	name := cmp.Or(assigned.Characteristic(u), assigned.Descriptor(u))
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%v is a handle; the UUID of %s is written %v, without 0x", h, name, u)
}

// missingError says that a device has no attribute with a UUID.
type missingError struct{ uuid uuid.UUID }

// Unwrap makes the manager read a cached table anew before the error is final.
func (e *missingError) Unwrap() error { return gatt.ErrNotFound }

func (e *missingError) Error() string {
	return fmt.Sprintf("the device has no characteristic or descriptor %s", uuidText(e.uuid, assigned.UUID(e.uuid)))
}

// ambiguousError says that several attributes have the same UUID.
type ambiguousError struct {
	uuid    uuid.UUID
	matches []found
}

func (e *ambiguousError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the device has %d attributes with the UUID %s", len(e.matches), uuidText(e.uuid, e.matches[0].Name))
	for _, f := range e.matches {
		fmt.Fprintf(&b, "\n  %s in service %s", f.Handle, uuidText(f.Service.UUID, assigned.Service(f.Service.UUID)))
		if !f.Value {
			fmt.Fprintf(&b, ", characteristic %s", uuidText(f.Char.UUID, assigned.Characteristic(f.Char.UUID)))
		}
	}
	return b.String()
}

// uuidText returns a UUID with its name, if it has one.
func uuidText(u uuid.UUID, name string) string {
	if name == "" {
		return u.String()
	}
	return u.String() + " (" + name + ")"
}

// subject describes f: its handle, and its UUID if that is known.
func (f *found) subject() string {
	if f.Service == nil {
		return "handle " + f.Handle.String()
	}
	return "handle " + f.Handle.String() + ", " + uuidText(f.UUID, f.Name)
}
