package remote

import (
	"slices"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// query is a request that names a range of handles.
type query struct {
	op         att.Opcode
	start, end att.Handle
	typ        uuid.UUID
	value      []byte // of Find By Type Value
}

// search answers the requests that name a range of handles. A discovery, which begins with
// the services from the first handle on, is of the table as the proxy has it now.
func (s *server) search(op att.Opcode, r *wire.Reader) {
	q := query{op: op, start: att.Handle(r.U16()), end: att.Handle(r.U16())}
	known := true
	switch op {
	case att.OpFindByTypeValueReq:
		q.typ, q.value = uuid.From16(r.U16()), slices.Clone(r.Rest())
	case att.OpReadByTypeReq, att.OpReadByGroupTypeReq:
		q.typ, known = uuid.FromWire(r.Rest())
	default: // Find Information names no type
	}
	group := q.typ == uuid.From16(typePrimary) || q.typ == uuid.From16(typeSecondary)
	switch {
	case r.Err() != nil || !known:
		s.refuse(op, 0, att.CodeInvalidPDU)
		return
	case q.start == 0 || q.start > q.end:
		s.refuse(op, q.start, att.CodeInvalidHandle)
		return
	case op == att.OpReadByGroupTypeReq && !group:
		s.refuse(op, q.start, att.CodeUnsupportedGroupType)
		return
	}
	then := func(code att.Code) {
		if code != 0 {
			s.refuse(op, q.start, code)
			return
		}
		s.answerQuery(&q)
	}
	if op == att.OpReadByGroupTypeReq && q.start == 1 && q.typ == uuid.From16(typePrimary) {
		s.fetchTable(then)
		return
	}
	s.needTable(then)
}

// answerQuery answers a query from the table, and by a read of the first value where a type was
// asked for that the device alone has.
func (s *server) answerQuery(q *query) {
	list := list{room: s.mtu - 2} // behind opcode and length
	if q.op == att.OpFindByTypeValueReq {
		list.room = s.mtu - 1
	}
	for i := range s.table {
		a := &s.table[i]
		if a.handle < q.start || a.handle > q.end || q.op != att.OpFindInformationReq && a.typ != q.typ {
			continue
		}
		if q.op == att.OpReadByTypeReq && a.kind != declaration {
			if list.isEmpty() {
				s.readByType(q, a)
				return
			}
			break // the host asks for it next
		}
		entry := wire.AppendU16(nil, uint16(a.handle))
		switch q.op {
		case att.OpFindInformationReq:
			entry = a.typ.AppendWire(entry)
		case att.OpFindByTypeValueReq:
			if a.kind != declaration || !slices.Equal(a.value, q.value) {
				continue
			}
			entry = wire.AppendU16(entry, uint16(a.groupEnd()))
		case att.OpReadByTypeReq:
			entry = append(entry, a.value...)
		default: // Read By Group Type
			entry = append(wire.AppendU16(entry, uint16(a.groupEnd())), a.value...)
		}
		if !list.addEntry(entry) {
			break
		}
	}
	if list.isEmpty() {
		s.refuse(q.op, q.start, att.CodeAttributeNotFound)
		return
	}
	s.respond(q.op, list.params(q.op))
}

// groupEnd returns the last handle of a service, and of any other attribute its own.
func (a *attribute) groupEnd() att.Handle { return max(a.end, a.handle) }

// readByType answers a query of a value that is read from the device.
func (s *server) readByType(q *query, a *attribute) {
	s.readDevice(a, func(value []byte, code att.Code) {
		if code != 0 {
			s.refuse(q.op, a.handle, code)
			return
		}
		list := list{room: s.mtu - 2}
		list.addEntry(append(wire.AppendU16(nil, uint16(a.handle)), value...))
		s.respond(q.op, list.params(q.op))
	})
}

// list collects entries of one length, as many as fit.
type list struct {
	room, size int
	b          []byte
}

func (l *list) isEmpty() bool { return len(l.b) == 0 }

// addEntry reports whether the list takes the entry. The first one is cut to fit.
func (l *list) addEntry(entry []byte) bool {
	const longest = 255 // the length is one octet
	if l.isEmpty() {
		l.b = slices.Clone(entry[:min(len(entry), l.room, longest)])
		l.size = len(l.b)
		return true
	}
	if len(entry) != l.size || len(l.b)+l.size > l.room {
		return false
	}
	l.b = append(l.b, entry...)
	return true
}

// params returns the parameters of the response.
func (l *list) params(op att.Opcode) []byte {
	const long = 4 // a handle and a UUID of 16 bits
	switch {
	case op == att.OpFindByTypeValueReq:
		return l.b
	case op == att.OpFindInformationReq && l.size > long:
		return append([]byte{2}, l.b...)
	case op == att.OpFindInformationReq:
		return append([]byte{1}, l.b...)
	}
	return append([]byte{byte(l.size)}, l.b...) //nolint:gosec // at most 255
}
