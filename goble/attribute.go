package goble

import (
	"context"
	"errors"
	"slices"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// attributes are the characteristics and descriptors that DiscoverProfile has returned, with
// the characteristics that they belong to. Those of the latest profile are known by their
// pointers. The handle and UUID of an earlier one, or of a copy that a program has made, may
// be those of another one by now: they belong to the first one that had them.
type attributes struct {
	latest map[any]*gatt.Char // by *ble.Characteristic and *ble.Descriptor
	first  map[attribute]*gatt.Char
}

// attribute is the value of a characteristic, or a descriptor.
type attribute struct {
	pointer any
	handle  uint16
	uuid    string
}

func valueOf(c *ble.Characteristic) attribute { return attribute{c, c.ValueHandle, string(c.UUID)} }

func descriptorOf(d *ble.Descriptor) attribute { return attribute{d, d.Handle, string(d.UUID)} }

// anyPointer returns the attribute without its pointer.
func (a attribute) anyPointer() attribute { return attribute{nil, a.handle, a.uuid} }

// enter adds an attribute of the latest profile.
func (as *attributes) enter(a attribute, ch *gatt.Char) {
	as.latest[a.pointer] = ch
	if as.first[a.anyPointer()] == nil {
		as.first[a.anyPointer()] = ch
	}
}

// enterProfile makes p the latest profile, with the Chars by their value handles.
func (as *attributes) enterProfile(p *ble.Profile, chars map[att.Handle]*gatt.Char) {
	as.latest = map[any]*gatt.Char{}
	for _, s := range p.Services {
		for _, c := range s.Characteristics {
			ch := chars[att.Handle(c.ValueHandle)]
			if ch == nil {
				continue
			}
			as.enter(valueOf(c), ch)
			for _, d := range c.Descriptors {
				as.enter(descriptorOf(d), ch)
			}
		}
	}
}

// charOf returns the Char of an attribute; nil if it is not known.
func (as *attributes) charOf(a attribute) *gatt.Char {
	if ch := as.latest[a.pointer]; ch != nil {
		return ch
	}
	return as.first[a.anyPointer()]
}

// renew replaces the Char of an attribute.
func (as *attributes) renew(a attribute, ch *gatt.Char) {
	if as.latest[a.pointer] != nil {
		as.latest[a.pointer] = ch
	} else {
		as.first[a.anyPointer()] = ch
	}
}

// charOf returns the Char of an attribute, or gatt.ErrStale if the table has changed there
// since DiscoverProfile returned it. The Char is nil for an attribute that DiscoverProfile
// has not returned: it is known by its handle alone.
func (x *client) charOf(a attribute) (*gatt.Char, error) {
	x.mu.Lock()
	ch := x.attributes.charOf(a)
	x.mu.Unlock()
	if ch == nil {
		return nil, nil
	}
	stale := ch.Check()
	if stale == nil {
		return ch, nil
	}
	// Some devices indicate a change of the whole table although nothing has changed.
	was := ch.Info()
	now, err := x.c.GATT().CharByHandle(context.Background(), was.Value)
	switch {
	case errors.Is(err, gatt.ErrNotFound):
		return nil, stale
	case err != nil:
		return nil, err
	case now.Service() != ch.Service() || !isSame(now.Info(), was):
		return nil, stale
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.attributes.renew(a, now)
	return now, nil
}

// findChars returns the Chars of a table by their value handles. complete is false if the
// known table has another characteristic, or none, in the place of one of them.
func (x *client) findChars(ctx context.Context, p *gatt.Profile) (chars map[att.Handle]*gatt.Char, complete bool, err error) {
	chars, complete = map[att.Handle]*gatt.Char{}, true
	for i := range p.Services {
		s := &p.Services[i]
		for _, c := range s.Characteristics {
			ch, err := x.c.GATT().CharByHandle(ctx, c.Value)
			switch {
			case err != nil && !errors.Is(err, gatt.ErrNotFound):
				return nil, false, err
			case err != nil || ch.Service() != s.UUID || !isSame(ch.Info(), c):
				complete = false
			default:
				chars[c.Value] = ch
			}
		}
	}
	return chars, complete, nil
}

func isSame(a, b gatt.Characteristic) bool {
	return a.UUID == b.UUID && a.Handle == b.Handle && a.Value == b.Value && a.End == b.End && a.Properties == b.Properties &&
		slices.Equal(a.Descriptors, b.Descriptors)
}

// readAttribute reads the value of an attribute. If its characteristic has changed
// meanwhile, the value is that of another one.
func (x *client) readAttribute(a attribute, long bool, to *[]byte) ([]byte, error) {
	ch, err := x.charOf(a)
	if err != nil {
		return nil, foreign(err)
	}
	read := x.c.GATT().ReadHandle
	if long {
		read = x.c.GATT().ReadLong
	}
	v, err := read(context.Background(), att.Handle(a.handle))
	if err == nil && ch != nil {
		err = ch.Check()
	}
	if err != nil {
		return nil, foreign(err)
	}
	*to = slices.Clone(v)
	return v, nil
}
