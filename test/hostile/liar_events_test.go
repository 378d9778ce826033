package hostile_test

import (
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// lie reports an event that has not happened, or delivers data of a peer.
func (l *liar) lie() {
	h := l.handle()
	switch l.r.IntN(24) {
	case 0:
		role := hci.Role(l.r.IntN(2))
		if l.chance(50) {
			l.send(&hci.LEConnectionComplete{Status: l.status(), Handle: h, Role: role, Peer: l.peer(), Params: l.params()})
		} else {
			l.send(&hci.LEEnhancedConnectionComplete{Status: l.status(), Handle: h, Role: role, Peer: l.peer(), Params: l.params()})
		}
		l.up[h] = true
	case 1:
		l.send(&hci.DisconnectionComplete{Status: l.status(), Handle: h, Reason: hci.Status(l.r.IntN(0x48))})
		delete(l.up, h)
	case 2:
		l.send(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: h, Count: uint16(l.r.IntN(4))}}})
	case 3:
		l.send(&hci.EncryptionChange{Status: l.status(), Handle: h, Enabled: uint8(l.r.IntN(3))})
	case 4:
		l.send(&hci.LELongTermKeyRequest{Handle: h, EDIV: uint16(l.r.IntN(2))})
	case 5:
		l.send(&hci.LERemoteConnectionParameterRequest{Handle: h, Params: hci.ConnParams{
			IntervalMin: time.Duration(l.r.IntN(4000)) * 1250 * time.Microsecond, IntervalMax: 30 * time.Millisecond, Timeout: time.Second,
		}})
	case 6:
		l.send(&hci.LEConnectionUpdateComplete{Status: l.status(), Handle: h, Params: l.params()})
	case 7:
		l.send(&hci.LEDataLengthChange{Handle: h, MaxTXOctets: uint16(l.r.IntN(300)), MaxRXOctets: uint16(l.r.IntN(300))})
	case 8:
		l.send(&hci.LEAdvertisingSetTerminated{Status: l.status(), Handle: h})
	case 9:
		l.send(&hci.CommandComplete{NumPackets: uint8(l.r.IntN(4)), Opcode: hci.Opcode(l.r.IntN(0x2100)), Return: l.octets(8)})
	case 10:
		l.advertise()
	case 11: // a packet of any octets; the length of an event is right, so that the transport stays in step
		code, b := byte(l.r.Uint32()), l.octets(20)
		if code == hci.EvHardwareError { // ends the controller; see below
			code = hci.EvLEMeta
		}
		l.ctl.Send(append([]byte{byte(hci.PacketEvent), code, byte(len(b))}, b...))
	case 12:
		l.send(&hci.LEScanTimeout{})
		l.syncEvent()
	case 13:
		if l.r.IntN(500) == 0 {
			l.send(&hci.HardwareError{Code: 1})
		}
	default:
		l.frame(h)
	}
}

// syncEvent reports something about a synchronization, which may not exist.
func (l *liar) syncEvent() {
	h := hci.Handle(l.r.IntN(4))
	switch l.r.IntN(4) {
	case 0:
		l.send(&hci.LEPeriodicAdvertisingSyncEstablished{Status: l.status(), Sync: h, SID: uint8(l.r.IntN(3)), Advertiser: l.peer()})
	case 1:
		l.send(&hci.LEPeriodicAdvertisingSyncLost{Sync: h})
	default:
		for range l.r.IntN(20) {
			l.send(&hci.LEPeriodicAdvertisingReport{Sync: h, Status: hci.PeriodicDataStatus(l.r.IntN(4)), Data: l.octets(200)})
		}
	}
}

// advertise reports advertisements, in pieces that may have no end.
func (l *liar) advertise() {
	for range l.r.IntN(4) {
		data := hci.AdvData(l.octets(31))
		if l.chance(50) {
			l.send(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Type: hci.AdvType(l.r.IntN(8)), Addr: l.peer(), Data: data}}})
			continue
		}
		l.send(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{
			Type: hci.ExtAdvType(l.r.IntN(0x80)), Addr: l.peer(), PrimaryPHY: hci.PHY1M, SID: uint8(l.r.IntN(2)), Data: data,
		}}})
	}
}

// frame delivers an L2CAP frame of a peer, whole, cut or with octets too many.
func (l *liar) frame(h hci.Handle) {
	cid, pdu := l.pdu()
	f := append([]byte{byte(len(pdu)), byte(len(pdu) >> 8), byte(cid), byte(cid >> 8)}, pdu...)
	switch l.r.IntN(10) {
	case 0:
		f = f[:l.r.IntN(len(f)+1)]
	case 1:
		f = append(f, l.octets(10)...)
	}
	for start := true; len(f) > 0; start = false {
		n := min(len(f), 1+l.r.IntN(60))
		l.ctl.Send(hci.AppendACL(nil, h, start, f[:n]))
		f = f[n:]
		if l.chance(3) {
			return
		}
	}
}

// pdu returns what a peer may say on a channel.
func (l *liar) pdu() (cid uint16, pdu []byte) {
	const smp = 0x0006
	switch l.r.IntN(10) {
	case 0, 1:
		codes := []byte{0x01, 0x06, 0x07, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, byte(l.r.Uint32())}
		body := l.octets(24)
		return cidSignal, append([]byte{codes[l.r.IntN(len(codes))], byte(l.r.IntN(4)), byte(len(body)), 0}, body...)
	case 2, 3:
		if l.chance(40) { // a pairing that may go on
			return smp, []byte{byte(1 + l.r.IntN(2)), byte(l.r.IntN(5)), byte(l.r.IntN(2)), byte(l.r.IntN(64)), byte(6 + l.r.IntN(12)), byte(l.r.IntN(16)), byte(l.r.IntN(16))}
		}
		return smp, append([]byte{byte(l.r.IntN(16))}, l.octets(66)...)
	case 4:
		return uint16(0x40 + l.r.IntN(4)), l.octets(60)
	default:
		ops := []att.Opcode{
			att.OpErrorRsp, att.OpExchangeMTUReq, att.OpExchangeMTURsp, att.OpReadReq, att.OpReadRsp, att.OpReadByTypeReq, att.OpReadByTypeRsp,
			att.OpReadByGroupTypeReq, att.OpReadByGroupTypeRsp, att.OpWriteReq, att.OpWriteRsp, att.OpWriteCmd, att.OpPrepareWriteReq,
			att.OpExecuteWriteReq, att.OpHandleValueNotification, att.OpHandleValueIndication, att.OpHandleValueConfirmation, att.OpFindInformationRsp,
			att.Opcode(l.r.Uint32()),
		}
		body := l.octets(22)
		if len(body) > 1 && l.chance(80) { // a handle that exists
			body[0], body[1] = byte(l.r.IntN(16)), 0
		}
		return cidATT, append([]byte{byte(ops[l.r.IntN(len(ops))])}, body...)
	}
}

// data takes a data packet of the host: its buffer comes back, and a request is answered,
// most of the time.
func (l *liar) data(b []byte) {
	hdr, data, err := hci.ParseACL(b)
	if err != nil {
		return
	}
	if !l.chance(2) {
		l.later(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: hdr.Handle, Count: 1}}})
	}
	if !hdr.Start || len(data) < 5 || data[2] != cidATT || data[3] != 0 || att.Opcode(data[4]).Kind() != att.KindRequest || l.chance(5) {
		return
	}
	op := att.Opcode(data[4])
	rsp := append([]byte{byte(op) + 1}, l.octets(18)...)
	switch {
	case op == att.OpReadByGroupTypeReq && l.chance(60): // two services
		rsp = []byte{byte(att.OpReadByGroupTypeRsp), 6, 1, 0, 5, 0, 0x00, 0x18, 6, 0, 0xFF, 0xFF, 0x0F, 0x18}
	case op == att.OpReadByTypeReq && l.chance(60): // a characteristic
		rsp = []byte{byte(att.OpReadByTypeRsp), 7, 7, 0, 0x1A, 8, 0, 0x19, 0x2A}
	case l.chance(40):
		rsp = att.ErrorRsp{Request: op, Handle: att.Handle(l.r.IntN(10)), Code: att.Code(1 + l.r.IntN(20))}.AppendPDU(nil)
	}
	l.ctl.Send(hci.AppendACL(nil, hdr.Handle, true, append([]byte{byte(len(rsp)), 0, cidATT, 0}, rsp...)))
}
