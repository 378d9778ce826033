package atttest

import (
	"encoding/hex"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// Enhanced is the channel of an enhanced bearer of the same link as a Channel, on
// the loop of that. It implements att.EnhancedChannel.
type Enhanced struct {
	c    *Channel
	mtu  int
	sent chan []byte
	done chan struct{}

	// Owned by the loop.
	proto  Protocol
	timer  *time.Timer
	due    uint64 // counts SetDeadline, so that an old timer has no effect
	full   bool
	asked  bool
	closed bool

	err error // set before done is closed
}

// NewEnhanced returns a channel with an MTU. Attach it before anything is received.
func (c *Channel) NewEnhanced(mtu int) *Enhanced {
	return &Enhanced{c: c, mtu: mtu, sent: make(chan []byte, 4096), done: make(chan struct{})}
}

// Attach sets the protocol, which create makes on the loop.
func (e *Enhanced) Attach(create func(now time.Time) Protocol) {
	e.c.Do(func(now time.Time) { e.proto = create(now) })
}

// Receive is Channel.Receive.
func (e *Enhanced) Receive(pdus ...string) {
	e.c.t.Helper()
	for _, p := range pdus {
		b := Hex(e.c.t, p)
		e.c.Do(func(now time.Time) { e.proto.Frame(now, b) })
	}
}

// Want is Channel.Want.
func (e *Enhanced) Want(pdus ...string) {
	e.c.t.Helper()
	synctest.Wait()
	for _, p := range pdus {
		want := hex.EncodeToString(Hex(e.c.t, p))
		select {
		case b := <-e.sent:
			if got := hex.EncodeToString(b); got != want {
				e.c.t.Fatalf("sent %s on the enhanced bearer, want %s", got, want)
			}
		default:
			e.c.t.Fatalf("sent nothing on the enhanced bearer, want %s", want)
		}
	}
}

// WantIdle is Channel.WantIdle.
func (e *Enhanced) WantIdle() {
	e.c.t.Helper()
	synctest.Wait()
	select {
	case b := <-e.sent:
		e.c.t.Fatalf("sent %x on the enhanced bearer, want nothing", b)
	default:
	}
}

// SetFull is Channel.SetFull.
func (e *Enhanced) SetFull(full bool) {
	e.c.Do(func(now time.Time) {
		e.full = full
		if !full && e.asked {
			e.asked = false
			e.proto.Writable(now)
		}
	})
}

// Disconnect ends the channel, but not the link.
func (e *Enhanced) Disconnect(cause error) { e.c.Do(func(time.Time) { e.Close(cause) }) }

// Closed returns the cause of the end; nil before it.
func (e *Enhanced) Closed() error { return e.Err() }

// MTU implements att.EnhancedChannel.
func (e *Enhanced) MTU() int { return e.mtu }

// Send implements att.Channel.
func (e *Enhanced) Send(pdu []byte) {
	if !e.closed {
		e.sent <- append([]byte(nil), pdu...)
	}
}

// Room implements att.Channel.
func (e *Enhanced) Room() bool {
	e.asked = e.asked || e.full
	return !e.full
}

// SetDeadline implements att.Channel.
func (e *Enhanced) SetDeadline(t time.Time) {
	e.due++
	if e.timer != nil {
		e.timer.Stop()
	}
	if t.IsZero() || e.closed {
		return
	}
	due := e.due
	e.timer = time.AfterFunc(time.Until(t), func() {
		e.c.Post(loop.Func(func(now time.Time) {
			if e.due == due && !e.closed {
				e.proto.Expire(now)
			}
		}))
	})
}

// Close implements att.Channel.
func (e *Enhanced) Close(cause error) {
	if e.closed {
		return
	}
	e.SetDeadline(time.Time{})
	e.closed, e.err = true, cause
	close(e.done)
	e.proto.Down(time.Now(), cause)
}

// Post implements att.Channel.
func (e *Enhanced) Post(t loop.Task) bool { return e.c.Post(t) }

// Done implements att.Channel.
func (e *Enhanced) Done() <-chan struct{} { return e.done }

// Err implements att.Channel.
func (e *Enhanced) Err() error {
	select {
	case <-e.done:
		return e.err
	default:
		return nil
	}
}
