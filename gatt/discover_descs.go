package gatt

import (
	"github.com/moor-ble/moor/gatt/att"
)

// descRoom is the range of handles behind the value of a characteristic.
type descRoom struct {
	chr     *Characteristic
	handles att.HandleRange
}

// roomFor returns the handles where chr may have descriptors; ok is false if
// there are none. A single handle behind a value that notifies is asked for as
// well: it should be the Client Characteristic Configuration, but many peers
// have none and put a user description there, which a subscription would
// overwrite.
func roomFor(chr *Characteristic) (r descRoom, ok bool) {
	if chr.Value >= chr.End {
		return descRoom{}, false
	}
	return descRoom{chr: chr, handles: att.HandleRange{Start: chr.Value + 1, End: chr.End}}, true
}

// descriptors discovers the descriptors of characteristics, which are in
// ascending order. If it finds the declaration of another characteristic behind
// the last of them, it returns the handle of that, else HandleNone.
func (d *discovery) descriptors(chars []*Characteristic) (more att.Handle, err error) {
	rooms := make([]descRoom, 0, len(chars))
	for _, chr := range chars {
		if r, ok := roomFor(chr); ok {
			rooms = append(rooms, r)
		}
	}
	most := len(rooms) // the number of rooms that one request may join
	for len(rooms) > 0 {
		n := min(d.together(rooms, chars), most)
		var tail att.HandleRange
		if r := rooms[n-1]; r.chr == chars[len(chars)-1] {
			tail = r.handles
		}
		more, err = d.descriptorsIn(rooms[:n], tail)
		switch {
		case isRefused(err) && n > 1:
			// The range may be refused for one room of it, such as the last one.
			most = 1
			for _, r := range rooms[:n] {
				r.chr.Descriptors = nil
			}
			continue
		case isRefused(err):
			d.noteRefused(err)
		case err != nil:
			return 0, err
		}
		rooms = rooms[n:]
	}
	return more, nil
}

// together returns how many of the first rooms one answer can hold. It holds all
// handles in between too, none of which may have a 128-bit type, since the UUIDs
// of an answer have one length.
func (d *discovery) together(rooms []descRoom, chars []*Characteristic) int {
	const entry16 = 2 + 2
	most := (d.c.MTU() - 2) / entry16
	start := rooms[0].handles.Start
	for n := 1; n < len(rooms); n++ {
		end := rooms[n].handles.End
		if int(end)-int(start)+1 > most || has128(chars, att.HandleRange{Start: start, End: end}) {
			return n
		}
	}
	return len(rooms)
}

// has128 reports whether a characteristic value in a range has a 128-bit type.
func has128(chars []*Characteristic, r att.HandleRange) bool {
	for _, chr := range chars {
		if r.Contains(chr.Value) && chr.UUID.WireLen() != 2 {
			return true
		}
	}
	return false
}

// descriptorsIn requests all handles from the first room to the last. It ends at
// a characteristic declaration in tail, and returns its handle.
func (d *discovery) descriptorsIn(rooms []descRoom, tail att.HandleRange) (more att.Handle, err error) {
	seek := func(h att.Handle) att.Handle {
		for _, r := range rooms {
			if h <= r.handles.End {
				return max(h, r.handles.Start)
			}
		}
		return att.HandleNone
	}
	all := att.HandleRange{Start: rooms[0].handles.Start, End: rooms[len(rooms)-1].handles.End}
	err = walk("descriptors", all, func(r att.HandleRange) (att.Handle, error) {
		d.find = att.FindInformationReq(r)
		rsp, err := do(d.ctx, d.c, d.cond, &d.find)
		if err != nil {
			return 0, err
		}
		var last att.Handle
		for e := range rsp.All() {
			if last = e.Handle; tail.Contains(last) && e.Type == UUID16(typeCharacteristic) {
				more = last
				return att.HandleNone, nil
			}
			for i := range rooms {
				if !rooms[i].handles.Contains(e.Handle) || isDeclaration(e.Type) {
					continue
				}
				if err := d.found(); err != nil {
					return 0, err
				}
				chr := rooms[i].chr
				chr.Descriptors = append(chr.Descriptors, Descriptor{UUID: e.Type, Handle: e.Handle})
			}
		}
		if last == att.HandleMax {
			return att.HandleNone, nil
		}
		return seek(after(last)), nil
	})
	return more, err
}

// isDeclaration reports whether an attribute type is a declaration, which is no
// descriptor. The table of a broken peer may have one where descriptors belong.
func isDeclaration(u UUID) bool {
	v, ok := u.Short()
	return ok && typePrimaryService <= v && v <= typeCharacteristic
}
