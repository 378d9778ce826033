package l2cap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

// sduWrite is an SDU in writing: the task that brings it to the loop, and its
// state there. Every Conn has one, which its writers pass on to each other; a
// writer who leaves early leaves it to the loop.
type sduWrite struct {
	c    *Conn
	buf  []byte // a copy of what is written
	done chan error

	// Owned by the loop.
	out  outgoing
	left bool // the writer has left
}

// Write writes to the stream of SDUs. It returns how much the channel has
// taken, which is all unless there is an error; see WriteSDU.
func (c *Conn) Write(p []byte) (int, error) {
	n := 0
	for r := wire.NewReader(p); r.Len() > 0; {
		sdu := r.Bytes(min(r.Len(), c.out.mtu))
		if err := c.WriteSDU(context.Background(), sdu); err != nil {
			return n, err
		}
		n += len(sdu)
	}
	return n, nil
}

// WriteSDU sends p as one SDU, of at most MTU octets; it may be empty. It
// returns when the peer's credits and the link's room have let all of it into
// the link's queue. An error means that none of p is sent, or that the channel
// has ended. If the deadline or ctx passes when a part has been sent, the rest
// is sent as soon as the peer lets it, before any later SDU, and the result
// is nil.
func (c *Conn) WriteSDU(ctx context.Context, p []byte) error {
	if len(p) > c.out.mtu {
		return c.opError(fmt.Errorf("an SDU of %d bytes, the peer takes %d", len(p), c.out.mtu))
	}
	passed := c.writeBy.wait()
	switch {
	case isClosed(c.closed):
		return c.opError(ErrClosed)
	case isClosed(c.done):
		return c.err
	case isClosed(passed):
		return c.opError(os.ErrDeadlineExceeded)
	case ctx.Err() != nil:
		return c.opError(context.Cause(ctx))
	}
	var w *sduWrite
	select {
	case w = <-c.writer:
	case <-passed:
		return c.opError(os.ErrDeadlineExceeded)
	case <-ctx.Done():
		return c.opError(context.Cause(ctx))
	case <-c.closed:
		return c.opError(ErrClosed)
	case <-c.done:
		return c.err
	}
	w.buf = append(w.buf[:0], p...)
	if !c.m.link.Post(w) {
		c.writer <- w
		return c.opError(linkDown(c.m.link.Err()))
	}
	select {
	case err := <-w.done:
		c.writer <- w
		return err
	case <-passed:
		return w.leaveWrite(os.ErrDeadlineExceeded)
	case <-ctx.Done():
		return w.leaveWrite(context.Cause(ctx))
	case <-c.closed:
		return w.leaveWrite(ErrClosed)
	case <-c.done:
		return w.resultAtEnd()
	}
}

// What a writer who leaves is told: nothing was sent, or the loop completes it.
var (
	errWithdrawn = errors.New("withdrawn")
	errCommitted = errors.New("committed")
)

// leaveWrite asks the loop to do without the writer, who then returns because of
// cause.
func (w *sduWrite) leaveWrite(cause error) error {
	c := w.c
	if !c.m.link.Post(loop.Func(func(time.Time) { w.abandonWrite() })) {
		return c.opError(cause) // the loop has ended, and the channel with it
	}
	select {
	case err := <-w.done:
		switch {
		case errors.Is(err, errCommitted):
			return nil // w is the loop's until all is sent
		case errors.Is(err, errWithdrawn):
			err = c.opError(cause)
		}
		c.writer <- w
		return err
	case <-c.done:
		return w.resultAtEnd()
	}
}

// resultAtEnd returns the result of a write when the channel has ended: success if
// that came first. w is not given back: nobody can write any more.
func (w *sduWrite) resultAtEnd() error {
	select {
	case err := <-w.done:
		if err == nil || errors.Is(err, errCommitted) {
			return nil
		}
	default:
	}
	return w.c.err
}

// abandonWrite answers leave, if the end of the write has not done so. It cannot
// hit a later write, since that one's task is behind it in the loop's queue.
func (w *sduWrite) abandonWrite() {
	c := w.c
	if c.sending != w {
		return
	}
	if !w.out.begun {
		c.sending = nil
		w.done <- errWithdrawn
		return
	}
	w.left = true
	w.done <- errCommitted
}

// Run brings the SDU to the loop.
func (w *sduWrite) Run(now time.Time) {
	c := w.c
	w.out, w.left = outgoing{data: wire.NewReader(w.buf)}, false
	if c.state != open {
		w.finishWrite(c.err)
		return
	}
	c.sending = w
	c.pumpFrames(now)
}

// finishWrite ends the write: it tells the writer, or gives w back in its place.
func (w *sduWrite) finishWrite(err error) {
	if w.left {
		w.c.writer <- w
		return
	}
	w.done <- err
}

// pumpFrames sends what waits for credits and room.
func (c *Conn) pumpFrames(time.Time) {
	c.grantCredits()
	w := c.sending
	for w != nil && c.out.credits > 0 && c.m.turns.room(&c.turn) {
		prefix, payload := c.out.nextFrame(&w.out, &c.m.coc.prefix)
		c.m.out.sendFrame(c.remote, prefix, payload)
		c.m.turns.sent(&c.turn)
		if w.out.data.Len() == 0 {
			c.sending = nil
			w.finishWrite(nil)
			return
		}
	}
}
