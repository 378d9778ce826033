package l2cap

import (
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// MTUs of the fixed channels: the longest ATT PDU that any procedure needs, a
// 512-octet value with its header (Vol 3, Part F, 3.2.9), and the longest SMP
// PDU, a public key (Vol 3, Part H, 3.5.6).
const (
	attMTU = 517
	smpMTU = 65
)

// Handler is the protocol on a fixed channel. Its methods run on the loop: they
// must not block, call user code, or keep a slice that they are given. A Handler
// that also has the method
//
//	Event(now time.Time, ev hci.Event)
//
// receives the link's events, except *hci.LERemoteConnectionParameterRequest,
// which the Mux answers itself.
type Handler interface {
	// Frame handles one received PDU.
	Frame(now time.Time, pdu []byte)
	// Writable is called once after Channel.Room returned false, when there is
	// room again.
	Writable(now time.Time)
	// Expire is called once when the deadline set by Channel.SetDeadline has
	// passed.
	Expire(now time.Time)
	// Down is the last call; cause is why the link ended.
	Down(now time.Time, cause error)
}

type eventHandler interface {
	Event(now time.Time, ev hci.Event)
}

// Channel is a fixed channel of a link, used by the Handler on it. Send, Room,
// SetDeadline and Close must run on the loop; the other methods may be called
// from any goroutine.
type Channel struct {
	m        *Mux
	cid      CID
	handler  Handler
	events   eventHandler // handler, if it has Event
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

// Send copies and sends one PDU of at most 65535 octets. It sends even when Room
// reports false, so that answers to the peer need not wait. A longer PDU ends
// the link, as Close does. Must run on the loop.
func (c *Channel) Send(pdu []byte) {
	if c.closed {
		return
	}
	if len(pdu) > maxPayload {
		c.Close(fmt.Errorf("l2cap: PDU of %d octets on channel %v: a frame holds at most %d", len(pdu), c.cid, maxPayload))
		return
	}
	c.m.out.sendFrame(c.cid, nil, pdu)
	c.m.turns.sent(&c.turn)
}

// Room reports whether one PDU may be sent without exceeding the bound of the
// link's queue or overtaking channels that wait for it. After false,
// Handler.Writable is called once when there is room. Must run on the loop.
func (c *Channel) Room() bool { return !c.closed && c.m.turns.room(&c.turn) }

// SetDeadline requests one call of Handler.Expire at t, in place of any earlier
// request; the zero time cancels it. Must run on the loop.
func (c *Channel) SetDeadline(t time.Time) {
	c.deadline = t
	c.m.rearm()
}

// errChannelFailed is the cause when Close is called without one.
var errChannelFailed = errors.New("protocol failed")

// Close reports that the protocol on the channel has failed. A fixed channel
// cannot be closed on its own, so Close ends the link, with reason 0x13 and an
// error that wraps cause. Nothing more is sent or received on the channel;
// Handler.Down is still called. Must run on the loop.
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

// Done returns a channel that is closed when the link is down.
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
