package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// firstHandle is the lowest connection handle. A new link gets the lowest free
// handle, so that handles are reused soon.
const firstHandle hci.Handle = 0x0040

// Packet boundary flags (Vol 4, Part E, 5.4.2).
const (
	pbContinue = 1
	pbStart    = 2
)

// conn is the controller's side of a link.
type conn struct {
	endpoint *endpoint
	held     int // data packets of the host
	// closing is set once the host has sent Disconnect.
	closing bool
	// paramsAsked is set while the host has not answered the peer's request.
	paramsAsked bool

	peer     hci.Addr // as reported to the host
	peerRPA  hci.MAC  // if that is an identity
	localRPA hci.MAC
	set      *advSet       // that has made the link
	late     time.Duration // of LE Connection Complete
}

// connOf returns the connection of a handle, or nil.
func (c *Controller) connOf(h hci.Handle) *conn {
	i := int(h) - int(firstHandle)
	if i < 0 || i >= len(c.conns) {
		return nil
	}
	return c.conns[i]
}

// addConn gives the link a handle.
func (c *Controller) addConn(k *conn) hci.Handle {
	for i, old := range c.conns {
		if old == nil {
			c.conns[i] = k
			return firstHandle + hci.Handle(i)
		}
	}
	c.conns = append(c.conns, k)
	return firstHandle + hci.Handle(len(c.conns)-1)
}

// dataFromHost queues an ACL packet on its link. It reports whether it keeps b.
func (c *Controller) dataFromHost(b []byte) bool {
	r := wire.NewReader(b)
	r.Skip(1)
	head := r.U16()
	data := r.Bytes(int(r.U16()))
	h, boundary := hci.Handle(head&0x0FFF), head>>12&3
	switch k := c.connOf(h); {
	case r.Finish() != nil || boundary == 3:
		c.stats.BadPackets++
	case k == nil:
		c.stats.UnknownHandle++
	case c.held >= c.cfg.aclNum() || len(data) > c.cfg.aclLen():
		c.stats.Overruns++
		c.sendEvent(&hci.DataBufferOverflow{LinkType: 1})
	case len(data) == 0: // there is no such packet on the air
		c.returnCredit(h)
	default:
		c.held++
		k.held++
		c.stats.DataSent++
		k.endpoint.queueData(txPacket{buf: data, start: boundary != pbContinue, raw: b})
		return true
	}
	return false
}

// dataSent implements owner.
func (c *Controller) dataSent(e *endpoint, p txPacket) {
	c.usedIn = append(c.usedIn, p.raw)
	if k := c.connOf(e.handle); k != nil {
		k.held--
		c.held--
		c.returnCredit(e.handle)
	}
}

// receiveData implements owner.
func (c *Controller) receiveData(e *endpoint, start bool, data []byte) bool {
	if c.port == nil {
		return true
	}
	if !c.port.hasRoom(false) {
		c.stats.Refused++
		return false
	}
	c.stats.DataReceived++
	boundary := uint16(pbContinue)
	if start {
		boundary = pbStart
	}
	head := wire.AppendU16(append(c.buf[:0], dataPacket), uint16(e.handle)|boundary<<12)
	head = wire.AppendU16(head, uint16(len(data)))
	c.buf = head
	c.toHost(head, data)
	return true
}

// toHost sends a packet to the host, if there is one.
func (c *Controller) toHost(head, tail []byte) {
	if c.port == nil || c.hung {
		return
	}
	c.air.logHCI(c, head, tail, false)
	c.port.queueForHost(head, tail)
}

// sendLater sends a packet to the host after a while, unless the host has changed
// by then. It copies b.
func (c *Controller) sendLater(d time.Duration, b []byte) {
	if d <= 0 {
		c.toHost(b, nil)
		return
	}
	p, packet := c.port, append([]byte(nil), b...)
	c.air.arm(&timer{fire: func() {
		if c.port == p {
			c.toHost(packet, nil)
		}
	}}, c.air.now.plus(d))
}

// Stats are the counters of a controller. Counters that a correct host leaves
// at zero are marked with a star.
type Stats struct {
	Commands       int64
	DataSent       int64 // packets from the host
	DataReceived   int64 // packets to the host
	Refused        int64 // packets not acknowledged, since the host did not read
	Reports        int64 // advertising reports
	DroppedReports int64 // dropped, since the host did not read
	BadPackets     int64 // * malformed packets
	Overruns       int64 // * data beyond the controller's buffers
	UnknownHandle  int64 // * data for a handle without a link
	Crowding       int64 // * commands beyond Num_HCI_Command_Packets
	Links          int   // at present, in both roles
	Held           int   // data packets of the host in the buffers, at present
	Radio          Usage
}

// Stats returns the controller's counters. It waits for the air, so scripts
// must not call it.
func (c *Controller) Stats() Stats {
	var s Stats
	c.air.runAndWait(func() {
		s = c.stats
		s.Links, s.Held, s.Radio = c.node.links, c.held, c.node.usage()
	})
	return s
}
