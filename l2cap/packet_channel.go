package l2cap

import (
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

// PacketChannel is a channel of the enhanced credit-based mode whose protocol
// runs on the loop, as that of a fixed channel does: each SDU is one PDU. Send,
// Room, SetDeadline and Close must run on the loop; the other methods may be
// called from any goroutine.
type PacketChannel struct {
	endpoint
	handler  Handler
	deadline time.Time
	queue    []outgoing // SDUs that wait for credits or room
	asked    bool       // Room has returned false

	done chan struct{}
	err  *ChannelError // set before done is closed
}

// maxPacketQueue is the number of SDUs that may wait on a PacketChannel: more
// than the answers and requests that a protocol has at a time. The channel ends
// when a peer that grants no credits lets it grow beyond.
const maxPacketQueue = 64

// allocatePacket creates a PacketChannel with a free CID; nil if all are in use.
func (k *channels) allocatePacket(psm PSM, s settings) *PacketChannel {
	cid, ok := k.freeCID()
	if !ok {
		return nil
	}
	c := &PacketChannel{
		endpoint: endpoint{m: k.m, psm: psm, local: cid, enhanced: true, in: newInflow(s)},
		done:     make(chan struct{}),
	}
	c.in.reuse = true
	c.user, c.turn.writable = c, c.pumpFrames
	k.local[cid] = &c.endpoint
	return c
}

// startHandler creates the protocol of a channel that has opened.
func (c *PacketChannel) startHandler(now time.Time, accept func(time.Time, *PacketChannel) Handler) {
	c.m.coc.packets = append(c.m.coc.packets, c)
	c.handler = accept(now, c)
}

// CID returns this side's channel identifier.
func (c *PacketChannel) CID() CID { return c.local }

// MTU returns the longest SDU that both sides accept, in octets. It grows if
// either side raises its MTU.
func (c *PacketChannel) MTU() int { return min(c.in.mtu, int(c.peerMTU.Load())) }

// Send copies and sends one SDU of at most MTU octets, at once as far as credits
// allow, even when Room reports false. The rest waits for credits. A longer SDU
// ends the channel. Must run on the loop.
func (c *PacketChannel) Send(sdu []byte) {
	switch {
	case c.state != open:
		return
	case len(sdu) > int(c.peerMTU.Load()):
		c.Close(fmt.Errorf("an SDU of %d octets, the peer accepts at most %d", len(sdu), c.peerMTU.Load()))
		return
	case len(c.queue) == maxPacketQueue:
		c.Close(fmt.Errorf("%w: no credits for %d packets", ErrViolation, maxPacketQueue))
		return
	}
	o := outgoing{data: wire.NewReader(sdu)}
	if len(c.queue) == 0 {
		for c.out.credits > 0 {
			if c.sendFrame(&o); o.data.Len() == 0 {
				return
			}
		}
	}
	o.data = wire.NewReader(slices.Clone(o.data.Rest()))
	c.queue = append(c.queue, o)
}

// sendFrame sends the next frame of o, for which there must be a credit.
func (c *PacketChannel) sendFrame(o *outgoing) {
	prefix, payload := c.out.nextFrame(o, &c.m.coc.prefix)
	c.m.out.sendFrame(c.remote, prefix, payload)
	c.m.turns.sent(&c.turn)
}

// Room reports whether an SDU may be sent without waiting for credits or
// exceeding the bound of the link's queue. After false, Handler.Writable is
// called once when it may. Must run on the loop.
func (c *PacketChannel) Room() bool {
	if c.state != open {
		return false
	}
	ok := len(c.queue) == 0 && c.out.credits > 0 && c.m.turns.room(&c.turn)
	c.asked = c.asked || !ok
	return ok
}

// pumpFrames sends credits and what waits.
func (c *PacketChannel) pumpFrames(now time.Time) {
	c.grantCredits()
	for len(c.queue) > 0 {
		if c.out.credits == 0 || !c.m.turns.room(&c.turn) {
			return
		}
		if c.sendFrame(&c.queue[0]); c.queue[0].data.Len() == 0 {
			c.queue = slices.Delete(c.queue, 0, 1)
		}
	}
	if c.asked && c.state == open && c.out.credits > 0 && c.m.turns.room(&c.turn) {
		c.asked = false
		c.handler.Writable(now)
	}
}

// takeSDU passes an SDU to the protocol, which does not keep it.
func (c *PacketChannel) takeSDU(now time.Time, sdu []byte) {
	c.in.owed.Add(1)
	c.handler.Frame(now, sdu)
}

// SetDeadline requests one call of Handler.Expire at t, in place of any earlier
// request; the zero time cancels it. Must run on the loop.
func (c *PacketChannel) SetDeadline(t time.Time) {
	c.deadline = t
	c.m.rearm()
}

// Close ends the channel because of cause; nothing more is sent or received, and
// Handler.Down is called before Close returns. The link stays. Must run on the
// loop.
func (c *PacketChannel) Close(cause error) {
	if cause == nil {
		cause = errChannelFailed
	}
	c.m.coc.disconnect(c.m.clock(), &c.endpoint, cause)
}

// endUser ends the protocol.
func (c *PacketChannel) endUser(now time.Time, err *ChannelError) {
	k := &c.m.coc
	k.packets = slices.DeleteFunc(k.packets, func(p *PacketChannel) bool { return p == c })
	c.queue, c.deadline, c.err = nil, time.Time{}, err
	close(c.done)
	c.handler.Down(now, err)
	c.m.rearm()
}

// Post hands t to the loop; see loop.Poster.
func (c *PacketChannel) Post(t loop.Task) bool { return c.m.link.Post(t) }

// Done returns a channel that is closed when the channel has ended.
func (c *PacketChannel) Done() <-chan struct{} { return c.done }

// Err returns why the channel has ended, a *ChannelError; nil before that.
func (c *PacketChannel) Err() error {
	if !isClosed(c.done) {
		return nil
	}
	return c.err
}

// deadline returns the earliest deadline of the protocols on channels; zero means
// never.
func (k *channels) deadline() (t time.Time) {
	for _, c := range k.packets {
		t = earlier(t, c.deadline)
	}
	return t
}

// expirePackets tells the protocols whose deadline has passed.
func (k *channels) expirePackets(now time.Time) {
	for _, c := range slices.Clone(k.packets) {
		if !c.deadline.IsZero() && !c.deadline.After(now) && c.state == open {
			c.deadline = time.Time{}
			c.handler.Expire(now)
		}
	}
}
