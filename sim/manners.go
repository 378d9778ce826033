package sim

import (
	"bytes"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ring"
	"github.com/moor-ble/moor/internal/wire"
)

// The fixed channels of L2CAP (Vol 3, Part A, 2.1).
const (
	cidATT       = 0x0004
	cidSignaling = 0x0005
	cidSMP       = 0x0006
)

// manners apply a Temper to one link, on the side of the device. They stand
// between the endpoint and its owner and see every L2CAP frame, if the temper
// has rules for frames. Endpoints without a temper have none.
type manners struct {
	e       *endpoint
	temper  *temperState
	frames  bool
	part    []byte // of the frame that is coming in
	stalled bool
	held    ring.Ring[chunk] // for which the owner has no room
	retry   timer
	twice   att.Opcode // request whose answer is sent twice, or 0
	copied  []byte     // of that answer
	signal  uint8      // last identifier of signaling
	secured bool       // a Security Request has been sent
}

// chunk is a link layer data packet.
type chunk struct {
	start bool
	data  []byte
}

// maxHeld bounds manners.held. Beyond it, packets are not acknowledged.
const maxHeld = 64

// ownIdentifiers are those of the temper's signaling, 0xF0 to 0xFF, so that its
// responses are told from those of the owner.
const ownIdentifiers = 0xF0

// giveManners makes the endpoint obey its radio's temper.
func (e *endpoint) giveManners() {
	s := e.radio.temper
	if s == nil || e.role != peripheral || e.dead {
		return
	}
	e.manners = &manners{e: e, temper: s, frames: s.readsFrames()}
	e.manners.retry.fire = e.manners.deliverHeld
}

// startLink runs when the link is up for both sides.
func (m *manners) startLink() {
	s, e := m.temper, m.e
	for _, p := range s.ParamRequests {
		e.repeat(p.After, p.Every, func() { m.requestParams(&p) })
	}
	for _, r := range s.SecurityRequests {
		e.repeat(r.After, 0, func() {
			m.secured = true
			m.sendFrame(cidSMP, []byte{0x0B, or(r.AuthReq, 1)})
		})
	}
	for _, n := range s.Notifications {
		op := att.OpHandleValueNotification
		if n.Indicate {
			op = att.OpHandleValueIndication
		}
		pdu := append(wire.AppendU16([]byte{byte(op)}, uint16(n.Handle)), n.Value...)
		e.repeat(n.After, n.Every, func() { m.sendFrame(cidATT, pdu) })
	}
	m.reactToLink(OnLink)
}

// reactToLink applies the rules of a trigger to which only the reactions apply
// that end a link.
func (m *manners) reactToLink(on Trigger) {
	if r := m.temper.matchRule(&occurrence{on: on, interval: m.e.link.inUse().Interval, accepts: Reaction.endsLink}); r != nil {
		m.endLink(r)
	}
}

// endLink carries out HangUp, FallSilent, Crash and Stall.
func (m *manners) endLink(r *Rule) {
	e := m.e
	m.afterDelay(r.Delay, func() {
		switch r.Do {
		case HangUp:
			e.startTermination(or(r.Status, hci.StatusRemoteUserTerminated))
		case FallSilent:
			e.link.apart = true
			e.link.reassess()
		case Crash:
			e.dropLink(hci.StatusLocalHostTerminated)
		case Stall:
			m.stalled = true
		default: // the other reactions leave the link alone
		}
	})
}

// afterDelay calls f after a time, or at once, as long as the link is up.
func (m *manners) afterDelay(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	m.e.repeat(d, 0, f)
}

// receiveControl reports whether the temper has dealt with a control PDU, which
// then is not answered.
func (m *manners) receiveControl(c *control) bool {
	o, refusal := occurrence{accepts: Reaction.deniesAnswer}, hci.StatusUnsupportedRemoteFeature
	switch c.op {
	case llLengthReq:
		o.on, o.accepts = OnDataLength, nil
	case llPHYReq:
		o.on = OnPHY
	case llEncReq:
		o.on, o.accepts, refusal = OnEncryption, nil, hci.StatusKeyMissing
	default:
		return false
	}
	switch r := m.temper.matchRule(&o); {
	case r == nil:
		return false
	case r.Do.endsLink():
		m.endLink(r)
	case r.Do == Refuse:
		m.afterDelay(r.Delay, func() {
			m.e.sendControl(control{op: llRejectExtInd, about: c.op, status: or(r.Status, refusal)})
			m.e.resumeData()
		})
	case r.Do != Ignore:
		return false
	}
	return true
}

// changeMade runs after a change of the PHY or of the connection parameters.
func (m *manners) changeMade(c *change, differs bool) {
	switch {
	case m.e.dead || !c.known:
	case c.kind == procPHY && differs:
		m.reactToLink(OnPHY)
	case c.kind == procUpdate && c.by == &m.e.link.c:
		m.reactToLink(OnParams)
	}
}

// receiveData takes a data packet of the central, as owner.receiveData does.
func (m *manners) receiveData(start bool, data []byte) bool {
	switch {
	case m.stalled:
		return false
	case !m.frames:
		return m.e.owner.receiveData(m.e, start, data)
	case m.held.Len() > maxHeld:
		return false
	case start:
		m.part = m.part[:0]
	}
	m.part = append(m.part, data...)
	r := wire.NewReader(m.part)
	n, cid := int(r.U16()), r.U16()
	if payload := r.Bytes(n); r.Err() == nil {
		m.receiveFrame(cid, payload)
		m.part = m.part[:0]
	}
	return true
}

func (m *manners) receiveFrame(cid uint16, payload []byte) {
	switch {
	case len(payload) == 0:
	case cid == cidATT:
		m.receiveATT(payload)
		return
	case cid == cidSMP && payload[0] == 0x05 && m.secured: // Pairing Failed
		m.reactToLink(OnSecurityRefused)
	case cid == cidSignaling && len(payload) > 1 && payload[1] >= ownIdentifiers:
		return // the answer to the temper's request
	}
	m.passFrame(cid, payload)
}

// passFrame delivers a frame to the owner.
func (m *manners) passFrame(cid uint16, payload []byte) {
	b := append(wire.AppendU16(wire.AppendU16(nil, uint16(len(payload))), cid), payload...)
	for start := true; len(b) > 0; start = false {
		n := min(len(b), 251)
		m.held.Push(chunk{start, b[:n]})
		b = b[n:]
	}
	m.deliverHeld()
}

// deliverHeld delivers what the owner has room for, and tries again later.
func (m *manners) deliverHeld() {
	for m.held.Len() > 0 && !m.e.dead {
		if c := m.held.At(0); !m.e.owner.receiveData(m.e, c.start, c.data) {
			m.e.link.air.arm(&m.retry, m.e.link.air.now.plus(m.e.link.interval))
			return
		}
		m.held.Pop()
	}
}

// receiveATT takes an ATT PDU of the central.
func (m *manners) receiveATT(pdu []byte) {
	op := att.Opcode(pdu[0])
	o := occurrence{on: OnRequest, opcode: op, handle: namedHandle(op, pdu), request: op.Kind() == att.KindRequest}
	if op == att.OpWriteReq && len(pdu) == 5 && pdu[3] >= 1 && pdu[3] <= 3 && pdu[4] == 0 {
		o.on = OnSubscribe
	}
	r := m.temper.matchRule(&o)
	if r == nil {
		m.passFrame(cidATT, pdu)
		return
	}
	if r.Do.endsLink() {
		m.endLink(r)
		return
	}
	pdu = bytes.Clone(pdu)
	m.afterDelay(r.Delay, func() { m.answerATT(r, &o, pdu) })
}

// answerATT carries out the reactions that answer a request.
func (m *manners) answerATT(r *Rule, o *occurrence, pdu []byte) {
	switch r.Do {
	case Ignore:
		return
	case Refuse:
		h := or(r.ErrorHandle, o.handle)
		m.sendFrame(cidATT, append(wire.AppendU16([]byte{byte(att.OpErrorRsp), byte(o.opcode)}, uint16(h)), byte(r.Code)))
		return
	case SendInstead:
		m.sendFrame(cidATT, r.PDU)
		return
	case SendFirst:
		m.sendFrame(cidATT, r.PDU)
	case AnswerTwice:
		m.twice, m.copied = o.opcode, nil
	default: // Answer
	}
	m.passFrame(cidATT, pdu)
}

// namedHandle is the handle that a PDU names first, or 0.
func namedHandle(op att.Opcode, pdu []byte) att.Handle {
	switch op {
	case att.OpExchangeMTUReq, att.OpExecuteWriteReq, att.OpHandleValueConfirmation:
		return 0
	}
	r := wire.NewReader(pdu)
	r.Skip(1)
	return att.Handle(r.U16())
}

// copyAnswer collects the answer that is to be sent twice, and sends the copy.
func (m *manners) copyAnswer(p *txPacket) {
	if p.start {
		m.copied = m.copied[:0]
		r := wire.NewReader(p.buf)
		r.Skip(2)
		cid, op, about := r.U16(), att.Opcode(r.U8()), att.Opcode(r.U8())
		if cid != cidATT || op != m.twice+1 && (op != att.OpErrorRsp || about != m.twice) {
			return
		}
	} else if len(m.copied) == 0 {
		return
	}
	m.copied = append(m.copied, p.buf...)
	if r := wire.NewReader(m.copied); len(m.copied) >= 4+int(r.U16()) {
		m.twice = 0
		m.e.queueData(txPacket{buf: m.copied, start: true, extra: true})
	}
}

// sendFrame sends an L2CAP frame that the owner knows nothing of.
func (m *manners) sendFrame(cid uint16, payload []byte) {
	b := append(wire.AppendU16(wire.AppendU16(nil, uint16(len(payload))), cid), payload...)
	m.e.queueData(txPacket{buf: b, start: true, extra: true})
}

// requestParams asks the central for connection parameters.
func (m *manners) requestParams(p *ParamRequest) {
	if p.LinkLayer {
		m.e.startProcedure(procedure{kind: procParams, params: newLinkParams(p.Params)})
		return
	}
	const intervalUnit, timeoutUnit = 1250 * time.Microsecond, 10 * time.Millisecond
	m.signal = m.signal&0x0F + 1
	b := []byte{0x12, ownIdentifiers | m.signal&0x0F, 8, 0} // Connection Parameter Update Request
	b = wire.AppendU16(b, uint16(p.Params.IntervalMin/intervalUnit))
	b = wire.AppendU16(b, uint16(p.Params.IntervalMax/intervalUnit))
	b = wire.AppendU16(b, p.Params.Latency)
	m.sendFrame(cidSignaling, wire.AppendU16(b, uint16(p.Params.Timeout/timeoutUnit)))
}
