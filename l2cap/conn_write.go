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

// sduWrite is an SDU being written: the task that carries it to the loop, and
// its state there. Each Conn has one, which its writers share. A writer that
// returns early leaves it to the loop.
type sduWrite struct {
	c    *Conn
	buf  []byte // a copy of the SDU
	done chan error

	// Owned by the loop.
	out  outgoing
	left bool // the writer has returned early
}

// Write writes to the stream of SDUs. It returns the number of octets that were
// sent, which is len(p) unless there is an error; see WriteSDU.
func (c *Conn) Write(p []byte) (int, error) {
	n := 0
	for r := wire.NewReader(p); r.Len() > 0; {
		sdu := r.Bytes(min(r.Len(), c.MTU()))
		if err := c.WriteSDU(context.Background(), sdu); err != nil {
			return n, err
		}
		n += len(sdu)
	}
	return n, nil
}

// WriteSDU sends p as one SDU, which may be empty and has at most MTU octets. It
// returns once the whole SDU is in the link's queue, which takes credits of the
// peer and room in the queue. An error means that nothing of p was sent, or that
// the channel has ended. If the deadline or ctx ends after a part was sent, the
// rest is sent as credits and room permit, before any later SDU, and the result
// is nil.
func (c *Conn) WriteSDU(ctx context.Context, p []byte) error {
	if mtu := c.MTU(); len(p) > mtu {
		return c.opError(fmt.Errorf("an SDU of %d octets, the peer accepts at most %d", len(p), mtu))
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

// Replies to a writer that returns early: nothing was sent, or the loop
// completes the write.
var (
	errWithdrawn = errors.New("withdrawn")
	errCommitted = errors.New("committed")
)

// leaveWrite asks the loop to finish without the writer, whose result is cause
// if nothing was sent.
func (w *sduWrite) leaveWrite(cause error) error {
	c := w.c
	if !c.m.link.Post(loop.Func(func(time.Time) { w.abandonWrite() })) {
		return c.opError(cause) // the loop has ended, and the channel with it
	}
	select {
	case err := <-w.done:
		switch {
		case errors.Is(err, errCommitted):
			return nil // w belongs to the loop until all is sent
		case errors.Is(err, errWithdrawn):
			err = c.opError(cause)
		}
		c.writer <- w
		return err
	case <-c.done:
		return w.resultAtEnd()
	}
}

// resultAtEnd returns the result of a write when the channel has ended: nil if
// the write was complete before. w is not given back, since nothing can be
// written any more.
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

// abandonWrite replies to leaveWrite unless the write has ended. It cannot
// affect a later write, whose task is behind it in the loop's queue.
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

// Run starts sending the SDU. It runs on the loop.
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

// finishWrite ends the write: it replies to the writer, or gives w back if the
// writer has returned.
func (w *sduWrite) finishWrite(err error) {
	if w.left {
		w.c.writer <- w
		return
	}
	w.done <- err
}

// pumpFrames sends credits and frames while there is room.
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
