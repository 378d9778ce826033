package l2cap

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// Conn is a credit-based channel: an io.ReadWriteCloser with deadlines, and a
// sequence of packets (SDUs). Its methods may be called from any number of
// goroutines, but not on the loop.
//
// Read and Write treat the channel as a stream: Write cuts the stream into SDUs
// of at most the peer's MTU, Read joins them. ReadSDU and WriteSDU transfer
// whole SDUs.
//
// Errors are *ChannelError and wrap, among others, os.ErrDeadlineExceeded or the
// cause of a context. Once the peer has closed the channel and all data has been
// read, Read and ReadSDU return io.EOF.
type Conn struct {
	endpoint

	sending *sduWrite // its next frame waits for credits or room; owned by the loop

	// Complete SDUs, from the loop to readers. Sending never blocks: each SDU
	// stands for one credit, and the buffer has a slot for each.
	sdus chan []byte
	// The part of an SDU that Read has left. The goroutine that takes it is the
	// only reader until it puts it back.
	rest chan []byte
	// The one SDU being written. The goroutine that takes it is the only writer
	// until it puts it back.
	writer chan *sduWrite

	shut   atomic.Bool   // Close was called
	closed chan struct{} // closed by Close
	done   chan struct{} // closed by the loop when the channel has ended
	err    *ChannelError // why it ended; set before done is closed

	readBy, writeBy deadline
}

var _ io.ReadWriteCloser = (*Conn)(nil)

func newConn(m *Mux, psm PSM, local CID, s settings) *Conn {
	c := &Conn{
		endpoint: endpoint{m: m, psm: psm, local: local, in: newInflow(s)},

		sdus: make(chan []byte, s.credits), rest: make(chan []byte, 1), writer: make(chan *sduWrite, 1),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	c.user, c.turn.writable = c, c.pumpFrames
	c.rest <- nil
	c.writer <- &sduWrite{c: c, done: make(chan error, 1)}
	return c
}

// PSM returns the SPSM that the channel was opened to.
func (c *Conn) PSM() PSM { return c.psm }

// CID returns this side's channel identifier.
func (c *Conn) CID() CID { return c.local }

// MTU returns the longest SDU that the peer accepts, in octets: the limit of
// WriteSDU. The peer can raise it on a channel of the enhanced mode.
func (c *Conn) MTU() int { return int(c.peerMTU.Load()) }

// Link returns the link that the channel is on.
func (c *Conn) Link() Link { return c.m.link }

// Done returns a channel that is closed when the Conn has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the Conn has ended, a *ChannelError; nil before that.
func (c *Conn) Err() error {
	if !isClosed(c.done) {
		return nil
	}
	return c.err
}

// Close ends the channel. Completed writes are still sent, unread data is lost,
// and all pending calls return ErrClosed. Close does not wait for the peer's
// confirmation and always returns nil.
func (c *Conn) Close() error {
	if c.shut.CompareAndSwap(false, true) {
		close(c.closed)
		c.m.link.Post(loop.Func(func(now time.Time) { c.m.coc.disconnect(now, &c.endpoint, ErrClosed) }))
	}
	return nil
}

// SetDeadline sets both the read and the write deadline.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readBy.moveTo(t)
	c.writeBy.moveTo(t)
	return nil
}

// SetReadDeadline makes pending and future calls of Read and ReadSDU fail with
// os.ErrDeadlineExceeded from t on. The zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readBy.moveTo(t)
	return nil
}

// SetWriteDeadline makes pending and future calls of Write and WriteSDU fail
// with os.ErrDeadlineExceeded from t on. The zero time means never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writeBy.moveTo(t)
	return nil
}

// opError wraps the error of an operation that had no effect.
func (c *Conn) opError(err error) error {
	return &ChannelError{PSM: c.psm, CID: c.local, Local: true, Err: err}
}

// Read reads from the stream of SDUs; empty SDUs are skipped.
func (c *Conn) Read(p []byte) (int, error) {
	ctx := context.Background()
	rest, err := c.takeRest(ctx)
	if err != nil {
		return 0, err
	}
	for len(rest) == 0 && len(p) > 0 {
		if rest, err = c.nextSDU(ctx); err != nil {
			c.rest <- nil
			return 0, err
		}
	}
	n := copy(p, rest)
	c.rest <- rest[n:]
	return n, nil
}

// ReadSDU returns the next SDU, which may be empty; if Read has taken a part of
// an SDU, the rest of it. The slice belongs to the caller.
func (c *Conn) ReadSDU(ctx context.Context) ([]byte, error) {
	rest, err := c.takeRest(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { c.rest <- nil }()
	if len(rest) > 0 {
		return rest, nil
	}
	return c.nextSDU(ctx)
}

// takeRest makes the caller the only reader.
func (c *Conn) takeRest(ctx context.Context) ([]byte, error) {
	passed := c.readBy.wait()
	if isClosed(c.closed) {
		return nil, c.opError(ErrClosed)
	}
	if isClosed(passed) {
		return nil, c.opError(os.ErrDeadlineExceeded)
	}
	select {
	case rest := <-c.rest:
		return rest, nil
	default:
	}
	select {
	case rest := <-c.rest:
		return rest, nil
	case <-passed:
		return nil, c.opError(os.ErrDeadlineExceeded)
	case <-ctx.Done():
		return nil, c.opError(context.Cause(ctx))
	case <-c.closed:
		return nil, c.opError(ErrClosed)
	}
}

// nextSDU waits for an SDU. It prefers an SDU to every error but ErrClosed, and
// the end of the channel to the deadline and to the end of ctx.
func (c *Conn) nextSDU(ctx context.Context) ([]byte, error) {
	select {
	case sdu := <-c.sdus:
		c.countRead()
		return sdu, nil
	default:
	}
	passed := c.readBy.wait()
	select {
	case sdu := <-c.sdus:
		c.countRead()
		return sdu, nil
	case <-passed:
	case <-ctx.Done():
	case <-c.closed:
	case <-c.done:
	}
	var err error
	switch {
	case isClosed(c.closed):
		return nil, c.opError(ErrClosed)
	case isClosed(c.done) && errors.Is(c.err, ErrPeerClosed):
		err = io.EOF
	case isClosed(c.done):
		err = c.err
	case isClosed(passed):
		err = c.opError(os.ErrDeadlineExceeded)
	default:
		err = c.opError(context.Cause(ctx))
	}
	select {
	case sdu := <-c.sdus:
		c.countRead()
		return sdu, nil
	default:
		return nil, err
	}
}

// countRead counts an SDU that was read, and makes the loop grant credits once
// enough are owed.
func (c *Conn) countRead() {
	// Exactly one of the counting goroutines, readers and the loop, reaches the
	// threshold before the loop resets the count.
	if int(c.in.owed.Add(1)) == c.in.threshold() {
		c.m.link.Post((*creditTask)(c))
	}
}

// creditTask is a Conn as a task that grants credits, without an allocation.
type creditTask Conn

// Run grants the credits that are owed to the peer.
func (t *creditTask) Run(time.Time) { (*Conn)(t).grantCredits() }

// takeSDU passes an SDU to the readers.
func (c *Conn) takeSDU(_ time.Time, sdu []byte) {
	c.sdus <- sdu // never blocks, see sdus
}

// endUser ends all pending calls. Must run on the loop, once.
func (c *Conn) endUser(_ time.Time, err *ChannelError) {
	c.err = err
	close(c.done)
	if w := c.sending; w != nil {
		c.sending = nil
		w.finishWrite(err)
	}
}
