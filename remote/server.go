package remote

import (
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// Fixed channels of L2CAP (Vol 3, Part A, 2.1).
const (
	cidATT       = 0x0004
	cidSignaling = 0x0005
	cidSMP       = 0x0006
)

// least and most are the bounds of the MTU of ATT.
const (
	leastMTU = 23
	mostMTU  = 517
)

// server plays the attribute server of a device: requests of the host become requests to
// the proxy (Vol 3, Part F).
type server struct {
	l         *link
	deviceMTU int // that of the proxy's link to the device
	mtu       int // that of the host's link
	table     table

	operations []operation
	fetched    []esphome.Service // while the table is on its way
	rows       int               // of attributes in fetched
	fetching   []func(att.Code)  // to be called when it is there
	value      []byte            // that the host reads in parts
	valueAt    att.Handle
	prepared   []prepared
	octets     int                 // in prepared
	enabled    map[att.Handle]byte // CCCDs that the host has written, by the handle of the value
	indications
}

// init makes the server of a link that is up.
func (s *server) init(l *link, mtu int) {
	*s = server{l: l, deviceMTU: min(max(mtu, leastMTU), mostMTU), mtu: leastMTU, enabled: map[att.Handle]byte{}}
	s.table = l.r.tables.get(l.peer.MAC)
}

// takeData takes a data packet of the host. Each holds a whole frame, since the longest one
// fits. The room for a packet is free again once it was handled; that for a write without
// response, once the proxy has acknowledged it.
func (r *radio) takeData(b []byte) {
	h, data, err := hci.ParseACL(b)
	l := r.handles[h.Handle]
	if err != nil || l == nil {
		return
	}
	rd := wire.NewReader(data)
	length, cid := rd.U16(), rd.U16()
	frame := rd.Rest()
	later := false
	if rd.Err() == nil && int(length) == len(frame) && h.Start && l.state == linkUp {
		switch cid {
		case cidATT:
			later = l.server.receive(frame)
		case cidSignaling:
			l.rejectSignal(frame)
		case cidSMP:
			l.refusePairing(frame)
		}
	}
	if !later {
		l.returnCredit()
	}
}

// returnCredit tells the host that a data packet is done.
func (l *link) returnCredit() {
	if l.handle != 0 {
		l.r.sendEvent(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: l.handle, Count: 1}}})
	}
}

// sendFrame sends a frame of L2CAP to the host.
func (l *link) sendFrame(cid uint16, payload []byte) {
	if l.handle == 0 {
		return
	}
	frame := wire.AppendU16(wire.AppendU16(nil, uint16(len(payload))), cid) //nolint:gosec // bounded by the MTU
	frame = append(frame, payload...)
	l.r.host.pushPacket(hci.ACLHeader{Handle: l.handle, Start: true, Flushable: true}.Append(nil, frame), false)
}

// rejectSignal rejects a signaling command: proxies have no channels (Vol 3, Part A, 4.1).
func (l *link) rejectSignal(b []byte) {
	const commandReject = 0x01
	r := wire.NewReader(b)
	code, id := r.U8(), r.U8()
	if r.Err() == nil && code != commandReject && code%2 == 0 { // requests have even codes
		l.sendFrame(cidSignaling, []byte{commandReject, id, 2, 0, 0, 0})
	}
}

// refusePairing refuses to pair on the link: the proxy pairs, see Pair (Vol 3, Part H, 3.5.5).
func (l *link) refusePairing(b []byte) {
	const pairingRequest, pairingFailed, notSupported = 0x01, 0x05, 0x05
	if len(b) > 0 && b[0] == pairingRequest {
		l.sendFrame(cidSMP, []byte{pairingFailed, notSupported})
	}
}

// receive handles a PDU of ATT. It reports whether the credit for it is returned later.
func (s *server) receive(pdu []byte) (later bool) {
	r := wire.NewReader(pdu)
	op := att.Opcode(r.U8())
	switch op.Kind() {
	case att.KindCommand:
		h := att.Handle(r.U16())
		if value := r.Rest(); op == att.OpWriteCmd && r.Err() == nil {
			return s.command(h, value)
		}
	case att.KindConfirmation:
		s.confirm()
	case att.KindRequest, att.KindUnknown:
		s.request(op, &r)
	default: // of a server alone
	}
	return false
}

// request handles a request of the host, which has one at a time.
func (s *server) request(op att.Opcode, r *wire.Reader) {
	switch op {
	case att.OpExchangeMTUReq:
		theirs := int(r.U16())
		if r.Err() != nil {
			s.refuse(op, 0, att.CodeInvalidPDU)
			return
		}
		s.mtu = max(leastMTU, min(theirs, s.deviceMTU))
		s.respond(op, wire.AppendU16(nil, uint16(s.deviceMTU))) //nolint:gosec // at most mostMTU
	case att.OpFindInformationReq, att.OpFindByTypeValueReq, att.OpReadByTypeReq, att.OpReadByGroupTypeReq:
		s.search(op, r)
	case att.OpReadReq, att.OpReadBlobReq:
		s.readValue(op, r)
	case att.OpWriteReq:
		s.writeValue(op, r)
	case att.OpPrepareWriteReq:
		s.prepare(op, r)
	case att.OpExecuteWriteReq:
		s.executeWrites(op, r)
	default:
		s.refuse(op, 0, att.CodeRequestNotSupported)
	}
}

// respond answers a request.
func (s *server) respond(op att.Opcode, params []byte) {
	s.l.sendFrame(cidATT, append([]byte{byte(op) + 1}, params...))
}

// refuse answers a request with an error.
func (s *server) refuse(op att.Opcode, h att.Handle, code att.Code) {
	s.l.sendFrame(cidATT, append(wire.AppendU16([]byte{byte(att.OpErrorRsp), byte(op)}, uint16(h)), byte(code)))
}

// takeMessage takes a message of the proxy about the link.
func (l *link) takeMessage(m esphome.Message) {
	s := &l.server
	switch m := m.(type) {
	case *esphome.ServicesResponse:
		s.takeServices(m)
	case *esphome.ServicesDone:
		s.endTable()
	case *esphome.NotifyData:
		s.takeValue(m)
	case *esphome.SetParamsResponse:
		l.takeParams(m)
	case *esphome.ReadResponse:
		s.finish(opRead, m.Handle, m, 0)
	case *esphome.WriteResponse:
		s.finish(opWrite, m.Handle, m, 0)
	case *esphome.NotifyResponse:
		s.finish(opNotify, m.Handle, m, 0)
	case *esphome.GATTError:
		s.takeError(m)
	}
}

// takeError takes the failure of an operation. If the device is not connected, the link ends for
// the host, and the proxy is asked to end it: it may not have freed the slot.
func (s *server) takeError(m *esphome.GATTError) {
	s.l.r.log.Debug("operation failed", "proxy", s.l.r.name, "address", s.l.peer, "handle", m.Handle, "number", m.Error)
	switch {
	case m.Error == codeNotConnected:
		s.l.leaveHost(statusOf(codeNotConnected))
		s.l.askForEnd()
	case m.Handle == 0 && s.fetching != nil:
		s.finishTable(codeOf(m.Error))
	default:
		s.finish(opAny, m.Handle, nil, codeOf(m.Error))
	}
}

// codeOf returns the code of ATT for the number of a failed operation.
func codeOf(number int32) att.Code {
	if number >= 1 && number <= 0xFF {
		return att.Code(number)
	}
	return att.CodeUnlikelyError
}

// fetchTable has the proxy send the table, and calls then once it is there, with a code if
// it is not.
func (s *server) fetchTable(then func(att.Code)) {
	s.fetching = append(s.fetching, then)
	if len(s.fetching) == 1 {
		s.fetched, s.rows = nil, 0
		s.l.r.send(&esphome.ServicesRequest{Address: esphome.AddressOf(s.l.peer.MAC)})
	}
}

// needTable calls then once the table is known.
func (s *server) needTable(then func(att.Code)) {
	if s.table != nil {
		then(0)
		return
	}
	s.fetchTable(then)
}

func (s *server) takeServices(m *esphome.ServicesResponse) {
	if s.fetching == nil {
		return
	}
	for i := range m.Services {
		s.rows++
		for _, c := range m.Services[i].Characteristics {
			s.rows += 2 + len(c.Descriptors)
		}
	}
	if s.rows > maxAttributes {
		s.finishTable(att.CodeInsufficientResources)
		return
	}
	s.fetched = append(s.fetched, m.Services...)
}

// endTable takes the end of the table. A table without services is none: the proxy has
// forgotten that of a link with its cache, and makes it known again on the next link.
func (s *server) endTable() {
	if s.fetching == nil {
		return
	}
	l := s.l
	if len(s.fetched) == 0 && l.cached {
		l.r.log.Debug("the proxy has lost its table of the device", "proxy", l.r.name, "address", l.peer)
		l.r.tables.remove(l.peer.MAC)
		l.leaveHost(hci.StatusLocalHostTerminated)
		l.askForEnd()
		return
	}
	t, err := newTable(s.fetched)
	if err != nil {
		l.r.log.Warn("table of the proxy is damaged", "proxy", l.r.name, "address", l.peer, "error", err)
		s.finishTable(att.CodeUnlikelyError)
		return
	}
	s.table = t
	if s.table == nil {
		s.table = table{}
	} else {
		l.r.tables.put(l.peer.MAC, t)
	}
	s.finishTable(0)
}

func (s *server) finishTable(code att.Code) {
	waiting := s.fetching
	s.fetching, s.fetched = nil, nil
	for _, then := range waiting {
		then(code)
	}
}
