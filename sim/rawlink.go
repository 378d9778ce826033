package sim

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// frameRoom is the number of frames that are queued for RawLink.Receive. Further
// frames are not acknowledged.
const frameRoom = 256

// Frame is an L2CAP frame.
type Frame struct {
	CID     uint16
	Payload []byte
}

// RawLink is a RawPeer's side of a link.
type RawLink struct {
	peer     *RawPeer
	endpoint *endpoint
	from     hci.Addr
	role     hci.Role
	frames   inbox[Frame]
	part     []byte // the received part of a frame
	down     chan struct{}
	reason   hci.Status // once down is closed
}

// ErrLinkDown is the error of Receive after the end of the link, unless the air
// was closed.
var ErrLinkDown = errors.New("sim: link is down")

// Peer returns the address of the other side.
func (l *RawLink) Peer() hci.Addr { return l.from }

// Role returns this side's role.
func (l *RawLink) Role() hci.Role { return l.role }

// Done is closed when the link has ended for this side.
func (l *RawLink) Done() <-chan struct{} { return l.down }

// Reason returns the reason for the end of the link. It is valid once Done is
// closed.
func (l *RawLink) Reason() hci.Status { return l.reason }

// Send sends an L2CAP frame with a payload of up to 65535 octets.
func (l *RawLink) Send(cid uint16, payload []byte) {
	var head [4]byte
	l.peer.air.postPacket(l, true, wire.AppendU16(wire.AppendU16(head[:0], uint16(len(payload))), cid), payload)
}

// SendData sends octets unchecked as payload of data packets: as the start of an
// L2CAP frame, or as its continuation. Octets that exceed one link layer packet
// are sent in several.
func (l *RawLink) SendData(start bool, data []byte) {
	l.peer.air.postPacket(l, start, data, nil)
}

// Disconnect ends the link with LL_TERMINATE_IND and the reason.
func (l *RawLink) Disconnect(reason hci.Status) {
	l.post(func() { l.endpoint.startTermination(reason) })
}

// Vanish ends the link on this side without a packet. The other side ends it by
// supervision timeout.
func (l *RawLink) Vanish() { l.post(func() { l.endpoint.dropLink(hci.StatusLocalHostTerminated) }) }

// Update changes the connection parameters: a central sets them, a peripheral
// requests them from the central's host.
func (l *RawLink) Update(p hci.ConnParams) {
	kind := procUpdate
	if l.role == peripheral {
		kind = procParams
	}
	l.post(func() { l.endpoint.startProcedure(procedure{kind: kind, params: newLinkParams(p)}) })
}

// Encrypt starts encryption, as central. A peripheral ignores the call.
func (l *RawLink) Encrypt(rand [8]byte, ediv uint16, key [16]byte) {
	l.post(func() {
		if l.role == central {
			l.endpoint.startProcedure(procedure{kind: procEncrypt, quiet: true, rand: rand, ediv: ediv, key: key})
		}
	})
}

// SetDataLength starts a data length update.
func (l *RawLink) SetDataLength(octets int, d time.Duration) {
	l.post(func() { l.endpoint.askLength(octets, d) })
}

// SetPHY starts a PHY update.
func (l *RawLink) SetPHY(tx, rx hci.PHYs) {
	l.post(func() { l.endpoint.startProcedure(procedure{kind: procPHY, tx: tx, rx: rx}) })
}

// Queued returns the number of frames that are not yet acknowledged. It waits
// for the air, so scripts must not call it.
func (l *RawLink) Queued() (n int) {
	l.peer.air.runAndWait(func() { n = l.endpoint.data.Len() })
	return n
}

func (l *RawLink) post(f func()) {
	l.peer.air.post(func() {
		if !l.endpoint.dead {
			f()
		}
	})
}

// Receive returns the next frame. A peer with Script.Frame or Script.Data
// receives none here.
func (l *RawLink) Receive(ctx context.Context) (Frame, error) { return l.frames.takeNext(ctx) }

// assembleFrame collects the parts of a frame. It ignores continuations that no
// start precedes.
func (l *RawLink) assembleFrame(start bool, data []byte) {
	if start {
		l.part = l.part[:0]
	}
	l.part = append(l.part, data...)
	r := wire.NewReader(l.part)
	n, cid := int(r.U16()), r.U16()
	payload := r.Bytes(n)
	if r.Err() != nil {
		return
	}
	if f := l.peer.cfg.Script.Frame; f != nil {
		f(l, cid, payload)
	} else {
		l.frames.put(Frame{cid, append([]byte(nil), payload...)})
	}
	l.part = l.part[:0]
}

// rawOwner is the peer as the owner of its endpoints.
type rawOwner RawPeer

func (o *rawOwner) link(e *endpoint) *RawLink { return o.links[e] }

func (o *rawOwner) linkUp(e *endpoint) {
	l := o.link(e)
	if o.dial != nil && o.dial.link == l {
		o.dial.result <- dialResult{link: l}
		o.dial = nil
	} else {
		o.accepted.put(l)
	}
	if up := o.cfg.Script.Up; up != nil {
		up(l)
	}
}

func (o *rawOwner) linkEstablished(*endpoint) {}

func (o *rawOwner) receiveData(e *endpoint, start bool, data []byte) bool {
	l, s := o.link(e), &o.cfg.Script
	if s.Data != nil {
		s.Data(l, start, data)
	}
	if s.Data == nil || s.Frame != nil {
		if s.Frame == nil && l.frames.len() >= frameRoom {
			return false
		}
		l.assembleFrame(start, data)
	}
	return true
}

func (o *rawOwner) dataSent(e *endpoint, p txPacket) {
	o.air.used = append(o.air.used, p.buf)
	if f := o.cfg.Script.Sent; f != nil {
		f(o.link(e))
	}
}

func (o *rawOwner) eventClosed(*endpoint) {}

func (o *rawOwner) reportEvent(e *endpoint, ev hci.Event) {
	if f := o.cfg.Script.Event; f != nil {
		f(o.link(e), ev)
	}
}

func (o *rawOwner) requestKey(e *endpoint, rand [8]byte, ediv uint16) {
	if o.cfg.Key != nil {
		if key, ok := o.cfg.Key(rand, ediv); ok {
			e.replyKey(&key)
			return
		}
	}
	e.replyKey(nil)
}

// requestParams grants every request of a peripheral.
func (o *rawOwner) requestParams(e *endpoint, p linkParams) { e.replyParams(p, hci.StatusSuccess) }

func (o *rawOwner) linkEnded(e *endpoint, reason hci.Status) {
	l := o.link(e)
	delete(o.links, e)
	l.reason = reason
	close(l.down)
	l.frames.closeInbox(ErrLinkDown)
	if o.dial != nil && o.dial.link == l {
		o.dial.result <- dialResult{err: ErrLinkDown}
		o.dial = nil
	}
	if f := o.cfg.Script.Down; f != nil {
		f(l, reason)
	}
	(*RawPeer)(o).advertise()
}

func (o *rawOwner) abilities() *abilities { return &o.able }

var _ owner = (*rawOwner)(nil)
