package l2cap

import (
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// What fixed channels take: the longest ATT PDU that any procedure needs, a
// 512-octet value with its header (Vol 3, Part F, 3.2.9), and the longest
// SMP PDU, a public key (Vol 3, Part H, 3.5.6).
const (
	attMTU = 517
	smpMTU = 65
)

// Handler is the protocol on a fixed channel. All methods are called on the
// loop: they must not block, call user code or keep a slice that they are
// given. A Handler that has also
//
//	Event(now time.Time, ev hci.Event)
//
// gets the link's events, but for *hci.LERemoteConnectionParameterRequest,
// which the Mux answers itself.
type Handler interface {
	// Frame takes one PDU.
	Frame(now time.Time, pdu []byte)
	// Writable says that a frame may be sent, after Channel.Room returned false.
	Writable(now time.Time)
	// Expire is called once when the time given to Channel.SetDeadline has come.
	Expire(now time.Time)
	// Down is the last call; cause says why the link ended.
	Down(now time.Time, cause error)
}

type eventHandler interface {
	Event(now time.Time, ev hci.Event)
}

// Channel is a fixed channel of a link, for the Handler on it. Send, Room,
// SetDeadline and Close are for the loop; the other methods for any goroutine.
type Channel struct {
	m        *Mux
	cid      CID
	handler  Handler
	events   eventHandler // handler, if it wants them
	deadline time.Time
	turn     turn
	closed   bool
}

func newChannel(m *Mux, cid CID) *Channel {
	c := &Channel{m: m, cid: cid}
	c.turn.writable = c.passWritable
	return c
}

func (c *Channel) makeHandler(now time.Time, create func(time.Time, *Channel) Handler) {
	if create != nil {
		c.handler = create(now, c)
		c.events, _ = c.handler.(eventHandler)
	}
}

// Send sends one PDU of at most 65535 octets, which it copies. It does so even
// when Room returns false: who answers the peer need not ask. A longer PDU ends
// the link, as Close does. On the loop.
func (c *Channel) Send(pdu []byte) {
	if c.closed {
		return
	}
	if len(pdu) > maxPayload {
		c.Close(fmt.Errorf("l2cap: PDU of %d bytes on channel %v, a frame takes %d", len(pdu), c.cid, maxPayload))
		return
	}
	c.m.out.sendFrame(c.cid, nil, pdu)
	c.m.turns.sent(&c.turn)
}

// Room reports whether one PDU may be sent without making the link's queue too
// long, or pushing in before other channels. After false, Writable is called
// once when there is. On the loop.
func (c *Channel) Room() bool { return !c.closed && c.m.turns.room(&c.turn) }

// SetDeadline asks for one call of Expire at t, in place of an earlier request;
// the zero time takes it back. On the loop.
func (c *Channel) SetDeadline(t time.Time) {
	c.deadline = t
	c.m.rearm()
}

// errChannelFailed stands in for the cause that Close was not given.
var errChannelFailed = errors.New("protocol failed")

// Close says that the protocol on the channel has failed for good. A fixed
// channel cannot be closed by itself, so this ends the link, with reason 0x13
// and an error that wraps cause. Nothing more is sent or received on the
// channel; Down is still called. On the loop.
func (c *Channel) Close(cause error) {
	if c.closed {
		return
	}
	if cause == nil {
		cause = errChannelFailed
	}
	c.closed = true
	c.SetDeadline(time.Time{})
	c.m.link.StartDisconnect(hci.StatusRemoteUserTerminated, cause)
}

// Post hands t to the loop; see loop.Poster.
func (c *Channel) Post(t loop.Task) bool { return c.m.link.Post(t) }

// Done is closed when the link is down.
func (c *Channel) Done() <-chan struct{} { return c.m.link.Done() }

// Err returns why the link is down; nil before that.
func (c *Channel) Err() error { return c.m.link.Err() }

func (c *Channel) passFrame(now time.Time, pdu []byte) {
	if c.handler != nil && !c.closed {
		c.handler.Frame(now, pdu)
	}
}

func (c *Channel) passWritable(now time.Time) {
	if c.handler != nil && !c.closed {
		c.handler.Writable(now)
	}
}

func (c *Channel) passEvent(now time.Time, ev hci.Event) {
	if c.events != nil {
		c.events.Event(now, ev)
	}
}

func (c *Channel) expireHandler(now time.Time) {
	if c.deadline.IsZero() || c.deadline.After(now) {
		return
	}
	c.deadline = time.Time{}
	if c.handler != nil {
		c.handler.Expire(now)
	}
}

func (c *Channel) endHandler(now time.Time, cause error) {
	c.closed = true
	if c.handler != nil {
		c.handler.Down(now, cause)
	}
}
