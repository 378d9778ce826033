// Package atttest implements an att.Channel for tests of code that uses an
// att.Bearer. The test, or a function of it, is the peer: it receives every PDU
// that is sent, and its answers arrive on the channel's loop as they would on a
// link's.
package atttest

import (
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// ErrDisconnected is the end of a Channel that the test ended without a cause.
var ErrDisconnected = errors.New("atttest: disconnected")

// Protocol is the protocol on the channel, an *att.Bearer.
type Protocol interface {
	Frame(now time.Time, pdu []byte)
	Writable(now time.Time)
	Expire(now time.Time)
	Down(now time.Time, cause error)
}

// Channel is an att.Channel with a loop of its own. The test calls its methods
// from Attach to Closed, not on the loop. Want, Skip and WantIdle need a
// synctest bubble.
type Channel struct {
	t     testing.TB
	tasks chan loop.Task
	sent  chan []byte
	done  chan struct{} // closed after the Protocol is down
	ended chan struct{} // closed after the loop has ended

	// Owned by the loop, or set before anything runs.
	proto   Protocol
	peer    func(pdu []byte) [][]byte
	answers [][]byte
	full    bool
	asked   bool // Room has reported false
	timer   *time.Timer
	cause   error

	closed atomic.Pointer[error]
	err    error // set before done is closed
}

// New starts a channel that ends with the test. peer is called on the loop with
// every PDU that is sent, which it must not keep, and returns the PDUs to
// receive in answer. If peer is nil, sent PDUs are queued for Want.
func New(t testing.TB, peer func(pdu []byte) [][]byte) *Channel {
	c := &Channel{
		t:     t,
		tasks: make(chan loop.Task, 64),
		sent:  make(chan []byte, 4096),
		done:  make(chan struct{}),
		ended: make(chan struct{}),
		peer:  peer,
		timer: time.NewTimer(time.Hour),
	}
	c.timer.Stop()
	go c.runLoop()
	t.Cleanup(func() {
		c.Disconnect(nil)
		<-c.ended
	})
	return c
}

// Attach sets the protocol on the channel. It must be called before anything is
// received.
func (c *Channel) Attach(p Protocol) { c.Do(func(time.Time) { c.proto = p }) }

// Do runs f on the loop and waits for it. On a channel that has ended, f may not
// run.
func (c *Channel) Do(f func(now time.Time)) {
	ran := make(chan struct{})
	if c.Post(loop.Func(func(now time.Time) { f(now); close(ran) })) {
		select {
		case <-ran:
		case <-c.ended:
		}
	}
}

// Receive receives PDUs from the peer, written as hexadecimal digits with
// optional spaces. It returns when the protocol has handled them.
func (c *Channel) Receive(pdus ...string) {
	c.t.Helper()
	for _, p := range pdus {
		b := Hex(c.t, p)
		c.Do(func(now time.Time) { c.proto.Frame(now, b) })
	}
}

// Want waits until all goroutines are blocked, and fails the test unless the
// next PDUs sent are these.
func (c *Channel) Want(pdus ...string) {
	c.t.Helper()
	synctest.Wait()
	for _, p := range pdus {
		want := hex.EncodeToString(Hex(c.t, p))
		select {
		case b := <-c.sent:
			if got := hex.EncodeToString(b); got != want {
				c.t.Fatalf("sent %s, want %s", got, want)
			}
		default:
			c.t.Fatalf("sent nothing, want %s", want)
		}
	}
}

// Skip discards the next n PDUs sent.
func (c *Channel) Skip(n int) {
	c.t.Helper()
	synctest.Wait()
	for i := range n {
		select {
		case <-c.sent:
		default:
			c.t.Fatalf("sent %d PDUs, want %d", i, n)
		}
	}
}

// WantIdle waits until all goroutines are blocked, and fails the test if a PDU
// was sent that Want or Skip has not taken.
func (c *Channel) WantIdle() {
	c.t.Helper()
	synctest.Wait()
	select {
	case b := <-c.sent:
		c.t.Fatalf("sent %x, want nothing", b)
	default:
	}
}

// SetFull sets whether the channel is full. When it no longer is and Room has
// reported false, the Protocol's Writable is called.
func (c *Channel) SetFull(full bool) {
	c.Do(func(now time.Time) {
		c.full = full
		if !full && c.asked {
			c.asked = false
			c.proto.Writable(now)
		}
	})
}

// Disconnect ends the link with a cause; nil means ErrDisconnected.
func (c *Channel) Disconnect(cause error) {
	if cause == nil {
		cause = ErrDisconnected
	}
	c.Do(func(time.Time) {
		if c.cause == nil {
			c.cause = cause
		}
	})
	<-c.ended
}

// Closed returns the cause that the Protocol passed to Close; nil if it has not
// closed the channel.
func (c *Channel) Closed() error {
	if e := c.closed.Load(); e != nil {
		return *e
	}
	return nil
}

// runLoop is the loop.
func (c *Channel) runLoop() {
	defer close(c.ended)
	for c.cause == nil {
		select {
		case t := <-c.tasks:
			t.Run(time.Now())
		case now := <-c.timer.C:
			c.proto.Expire(now)
		}
		for len(c.answers) > 0 {
			pdu := c.answers[0]
			c.answers = c.answers[:copy(c.answers, c.answers[1:])]
			c.proto.Frame(time.Now(), pdu)
		}
	}
	c.timer.Stop()
	if c.proto != nil {
		c.proto.Down(time.Now(), c.cause)
	}
	c.err = c.cause
	close(c.done)
	// Tasks posted before done was closed still run.
	for {
		select {
		case t := <-c.tasks:
			t.Run(time.Now())
		default:
			return
		}
	}
}

// Send implements att.Channel.
func (c *Channel) Send(pdu []byte) {
	if c.peer != nil {
		c.answers = append(c.answers, c.peer(pdu)...)
		return
	}
	c.sent <- append([]byte(nil), pdu...)
}

// Room implements att.Channel.
func (c *Channel) Room() bool {
	c.asked = c.asked || c.full
	return !c.full
}

// SetDeadline implements att.Channel.
func (c *Channel) SetDeadline(t time.Time) {
	if t.IsZero() {
		c.timer.Stop()
		return
	}
	c.timer.Reset(time.Until(t))
}

// Close implements att.Channel.
func (c *Channel) Close(cause error) {
	c.closed.CompareAndSwap(nil, &cause)
	if c.cause == nil {
		c.cause = cause
	}
}

// Post implements att.Channel.
func (c *Channel) Post(t loop.Task) bool {
	select {
	case <-c.done:
		return false
	default:
	}
	select {
	case c.tasks <- t:
		return true
	case <-c.done:
		return false
	}
}

// Done implements att.Channel.
func (c *Channel) Done() <-chan struct{} { return c.done }

// Err implements att.Channel.
func (c *Channel) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Hex decodes hexadecimal digits with optional spaces.
func Hex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
