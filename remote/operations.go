package remote

import (
	"slices"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// operationKind is the kind of answer that an operation has.
type operationKind uint8

const (
	opAny operationKind = iota // an error, which fits each kind
	opRead
	opWrite
	opNotify
)

// operation is a request to the proxy that waits for its answer. Answers have no numbers:
// they are told apart by their kind and handle, and come in the order of the requests.
type operation struct {
	kind    operationKind
	handle  uint32
	command bool // a write without response
	done    func(m esphome.Message, code att.Code)
}

// ask sends a request to the proxy.
func (s *server) ask(o operation, m esphome.Message) {
	s.operations = append(s.operations, o)
	s.l.r.send(m)
}

// finish ends the first operation that an answer fits. Writes without response before it are
// over too, even if the proxy has not acknowledged them.
func (s *server) finish(kind operationKind, handle uint32, m esphome.Message, code att.Code) {
	i := slices.IndexFunc(s.operations, func(o operation) bool { return o.handle == handle && (kind == opAny || o.kind == kind) })
	if i < 0 {
		return
	}
	over := slices.Clone(s.operations[:i+1])
	s.operations = slices.Delete(s.operations, 0, i+1)
	var kept []operation
	for _, o := range over[:i] {
		if o.command {
			o.done(nil, 0)
		} else {
			kept = append(kept, o)
		}
	}
	s.operations = slices.Insert(s.operations, 0, kept...)
	over[i].done(m, code)
}

// readDevice reads the value of an attribute from the device.
func (s *server) readDevice(a *attribute, then func(value []byte, code att.Code)) {
	address, handle := esphome.AddressOf(s.l.peer.MAC), uint32(a.handle)
	m := esphome.Message(&esphome.ReadRequest{Address: address, Handle: handle})
	if a.kind == descriptor {
		m = &esphome.ReadDescriptorRequest{Address: address, Handle: handle}
	}
	s.ask(operation{kind: opRead, handle: handle, done: func(m esphome.Message, code att.Code) {
		if r, ok := m.(*esphome.ReadResponse); ok {
			then(r.Data, 0)
			return
		}
		then(nil, code)
	}}, m)
}

// readValue answers a request to read a value, or a part of it. The proxy reads whole values: the
// parts after the first one are those of the same value.
func (s *server) readValue(op att.Opcode, r *wire.Reader) {
	h, offset := att.Handle(r.U16()), 0
	if op == att.OpReadBlobReq {
		offset = int(r.U16())
	}
	if r.Err() != nil {
		s.refuse(op, 0, att.CodeInvalidPDU)
		return
	}
	give := func(value []byte) {
		if offset > len(value) {
			s.refuse(op, h, att.CodeInvalidOffset)
			return
		}
		s.respond(op, value[offset:min(len(value), offset+s.mtu-1)])
	}
	if offset > 0 && s.valueAt == h {
		give(s.value)
		return
	}
	s.needTable(func(code att.Code) {
		a := s.table.find(h)
		switch {
		case code != 0:
			s.refuse(op, h, code)
		case a == nil:
			s.refuse(op, h, att.CodeInvalidHandle)
		case a.kind == declaration:
			give(a.value)
		default:
			s.readDevice(a, func(value []byte, code att.Code) {
				if code != 0 {
					s.refuse(op, h, code)
					return
				}
				s.value, s.valueAt = value, h
				give(value)
			})
		}
	})
}

// command handles a write without response. It reports whether the credit for it is returned
// later.
func (s *server) command(h att.Handle, value []byte) (later bool) {
	s.valueAt = 0
	s.ask(operation{kind: opWrite, handle: uint32(h), command: true, done: func(esphome.Message, att.Code) { s.l.returnCredit() }},
		&esphome.WriteRequest{Address: esphome.AddressOf(s.l.peer.MAC), Handle: uint32(h), Data: slices.Clone(value)})
	return true
}

// writeValue answers a request to write a value.
func (s *server) writeValue(op att.Opcode, r *wire.Reader) {
	h := att.Handle(r.U16())
	value := slices.Clone(r.Rest())
	if r.Err() != nil {
		s.refuse(op, 0, att.CodeInvalidPDU)
		return
	}
	s.writeDevice(h, value, func(code att.Code) {
		if code != 0 {
			s.refuse(op, h, code)
			return
		}
		s.respond(op, nil)
	})
}

// writeDevice writes a value.
func (s *server) writeDevice(h att.Handle, value []byte, then func(att.Code)) {
	s.valueAt = 0
	s.needTable(func(code att.Code) {
		a := s.table.find(h)
		switch {
		case code != 0:
			then(code)
		case a == nil:
			then(att.CodeInvalidHandle)
		case a.kind == declaration:
			then(att.CodeWriteNotPermitted)
		case a.kind == descriptor && a.typ == uuid.From16(typeCCCD) && len(value) == 2:
			s.setCCCD(a, value, then)
		default:
			s.writeAttribute(a, value, then)
		}
	})
}

// writeAttribute writes an attribute of the device.
func (s *server) writeAttribute(a *attribute, value []byte, then func(att.Code)) {
	address, handle := esphome.AddressOf(s.l.peer.MAC), uint32(a.handle)
	m := esphome.Message(&esphome.WriteRequest{Address: address, Handle: handle, Response: true, Data: value})
	if a.kind == descriptor {
		m = &esphome.WriteDescriptorRequest{Address: address, Handle: handle, Data: value}
	}
	s.ask(operation{kind: opWrite, handle: handle, done: func(_ esphome.Message, code att.Code) { then(code) }}, m)
}

// setCCCD enables or disables the values of a characteristic: first at the proxy, and then
// in the device where the proxy leaves that to its client.
func (s *server) setCCCD(a *attribute, value []byte, then func(att.Code)) {
	on := value[0] & 3
	s.enabled[a.parent] = on
	s.ask(operation{kind: opNotify, handle: uint32(a.parent), done: func(_ esphome.Message, code att.Code) {
		switch {
		case code != 0:
			s.enabled[a.parent] = 0
			then(code)
		case s.l.r.can(esphome.FlagRemoteCaching):
			s.writeAttribute(a, value, then)
		default:
			then(0)
		}
	}}, &esphome.NotifyRequest{Address: esphome.AddressOf(s.l.peer.MAC), Handle: uint32(a.parent), Enable: on != 0})
}

// prepared is a part of a long value that the host has prepared.
type prepared struct {
	handle att.Handle
	offset int
	value  []byte
}

// maxPrepared is how many octets, and parts of 64 octets, a host may prepare.
const maxPrepared = 4096

// prepare takes a part of a long value.
func (s *server) prepare(op att.Opcode, r *wire.Reader) {
	p := prepared{handle: att.Handle(r.U16()), offset: int(r.U16())}
	p.value = slices.Clone(r.Rest())
	s.octets += len(p.value) + 64
	switch {
	case r.Err() != nil:
		s.refuse(op, 0, att.CodeInvalidPDU)
	case s.octets > maxPrepared:
		s.refuse(op, p.handle, att.CodePrepareQueueFull)
	default:
		s.prepared = append(s.prepared, p)
		echo := wire.AppendU16(wire.AppendU16(nil, uint16(p.handle)), uint16(p.offset)) //nolint:gosec // it was one
		s.respond(op, append(echo, p.value...))
	}
}

// executeWrites writes the values that were prepared, each in one piece.
func (s *server) executeWrites(op att.Opcode, r *wire.Reader) {
	write := r.U8() == 1
	parts := s.prepared
	s.prepared, s.octets = nil, 0
	if r.Err() != nil {
		s.refuse(op, 0, att.CodeInvalidPDU)
		return
	}
	if !write {
		parts = nil
	}
	s.executeNext(op, parts)
}

func (s *server) executeNext(op att.Opcode, parts []prepared) {
	if len(parts) == 0 {
		s.respond(op, nil)
		return
	}
	h, n := parts[0].handle, 0
	var value []byte
	for n < len(parts) && parts[n].handle == h {
		if parts[n].offset != len(value) {
			s.refuse(op, h, att.CodeInvalidOffset)
			return
		}
		value = append(value, parts[n].value...)
		n++
	}
	s.writeDevice(h, value, func(code att.Code) {
		if code != 0 {
			s.refuse(op, h, code)
			return
		}
		s.executeNext(op, parts[n:])
	})
}

// maxIndications is how many indications wait for the confirmation of one before them. The
// device has its confirmation from the proxy already, so that the oldest ones are lost
// beyond.
const maxIndications = 256

// indications are the indications for the host.
type indications struct {
	waiting     [][]byte
	unconfirmed bool
}

// takeValue forwards a value of the device to the host.
func (s *server) takeValue(m *esphome.NotifyData) {
	const notify, indicate = 1, 2
	if m.Handle == 0 || m.Handle > 0xFFFF {
		return
	}
	on := s.enabled[att.Handle(m.Handle)]
	pdu := wire.AppendU16(make([]byte, 1, 3+len(m.Data)), uint16(m.Handle))
	pdu = append(pdu, m.Data[:min(len(m.Data), mostMTU-3)]...)
	switch {
	case on&notify != 0:
		pdu[0] = byte(att.OpHandleValueNotification)
		s.l.sendFrame(cidATT, pdu)
	case on&indicate != 0:
		pdu[0] = byte(att.OpHandleValueIndication)
		if len(s.waiting) == maxIndications {
			s.waiting = s.waiting[1:]
		}
		s.waiting = append(s.waiting, pdu)
		s.indicateNext()
	}
}

// indicateNext sends the next indication, if none waits for its confirmation.
func (s *server) indicateNext() {
	if s.unconfirmed || len(s.waiting) == 0 {
		return
	}
	s.unconfirmed = true
	s.l.sendFrame(cidATT, s.waiting[0])
	s.waiting = s.waiting[1:]
}

// confirm takes the confirmation of an indication.
func (s *server) confirm() {
	s.unconfirmed = false
	s.indicateNext()
}
