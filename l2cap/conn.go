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
// sequence of packets (SDUs). Its methods are for any number of goroutines, but
// not for the loop.
//
// Read and Write see a stream: Write cuts it into SDUs as long as the peer
// takes, Read joins them. ReadSDU and WriteSDU see the SDUs.
//
// Errors are *ChannelError, or those of a deadline (os.ErrDeadlineExceeded) or
// context, and io.EOF from Read and ReadSDU once the peer has closed the channel
// and all has been read.
type Conn struct {
	m     *Mux
	psm   PSM
	local CID

	// Owned by the loop, and set before the program sees the Conn.
	remote CID
	in     inflow
	out    outflow

	// Owned by the loop.
	state   connState
	sending *sduWrite // its next frame waits for credits or room
	turn    turn

	// From the loop to readers. There is always room: a complete SDU stands for
	// one of the credits, and there is a place for each.
	sdus chan []byte
	// What Read has left of an SDU. Who takes it is the reader, and puts it back.
	rest chan []byte
	// The one SDU in writing. Who takes it is the writer, and gives it back.
	writer chan *sduWrite

	shut   atomic.Bool   // Close was called
	closed chan struct{} // closed by Close
	done   chan struct{} // closed by the loop when the channel has ended
	err    *ChannelError // why; set before done is closed

	readBy, writeBy deadline
}

var _ io.ReadWriteCloser = (*Conn)(nil)

func newConn(m *Mux, psm PSM, local CID, s settings) *Conn {
	c := &Conn{
		m: m, psm: psm, local: local, in: newInflow(s),
		sdus: make(chan []byte, s.credits), rest: make(chan []byte, 1), writer: make(chan *sduWrite, 1),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	c.turn.writable = c.pumpFrames
	c.rest <- nil
	c.writer <- &sduWrite{c: c, done: make(chan error, 1)}
	return c
}

// PSM returns the SPSM that the channel was opened to.
func (c *Conn) PSM() PSM { return c.psm }

// CID returns this side's channel identifier.
func (c *Conn) CID() CID { return c.local }

// MTU returns the longest SDU that the peer takes, the limit of WriteSDU.
func (c *Conn) MTU() int { return c.out.mtu }

// Link returns the link that the channel is on.
func (c *Conn) Link() Link { return c.m.link }

// Done is closed when the channel has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the channel has ended, a *ChannelError; nil before that.
func (c *Conn) Err() error {
	if !isClosed(c.done) {
		return nil
	}
	return c.err
}

// Close ends the channel: what was written before is still sent, unread data
// is lost, and all who wait on the channel are released with ErrClosed. It does
// not wait for the peer's confirmation, and always returns nil.
func (c *Conn) Close() error {
	if c.shut.CompareAndSwap(false, true) {
		close(c.closed)
		c.m.link.Post(loop.Func(func(now time.Time) { c.m.coc.disconnect(now, c, ErrClosed) }))
	}
	return nil
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readBy.moveTo(t)
	c.writeBy.moveTo(t)
	return nil
}

// SetReadDeadline makes Read and ReadSDU, present and future, fail with
// os.ErrDeadlineExceeded from t on. The zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readBy.moveTo(t)
	return nil
}

// SetWriteDeadline makes Write and WriteSDU, present and future, fail with
// os.ErrDeadlineExceeded from t on. The zero time means never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writeBy.moveTo(t)
	return nil
}

// opError makes the error of an operation that did not happen.
func (c *Conn) opError(err error) error {
	return &ChannelError{PSM: c.psm, CID: c.local, Local: true, Err: err}
}

// Read reads from the stream of SDUs; empty ones are passed over.
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

// ReadSDU returns the next SDU, which may be empty and is the caller's to keep;
// after a Read that did not take all of an SDU, what is left of it.
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

// takeRest makes the caller the one reader.
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

// nextSDU waits for an SDU. One that is there is preferred to any reason to stop
// but Close, and the end of the channel to those of the caller's own.
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

// countRead notes that an SDU was read, and tells the loop when that is worth an
// indication of credits.
func (c *Conn) countRead() {
	// Exactly one of those who count, readers and frame, reaches the threshold,
	// until the loop has set the count back.
	if int(c.in.owed.Add(1)) == c.in.threshold() {
		c.m.link.Post((*creditTask)(c))
	}
}

// creditTask is a Conn as the task of giving credits, without an allocation.
type creditTask Conn

// Run gives the peer what it is owed.
func (t *creditTask) Run(time.Time) { (*Conn)(t).grantCredits() }

// grantCredits gives the peer what it is owed, if the link has room for it: to one that
// takes nothing, and sends on credits that it cannot know of, no indications are
// queued. Without room, pump comes back to it.
func (c *Conn) grantCredits() {
	if c.state != open {
		return
	}
	if c.in.due() && c.m.turns.room(&c.turn) {
		c.m.sig.sendIndication(flowControlCreditInd{Source: c.local, Credits: c.in.grant()})
	}
}

// handleKFrame takes one K-frame.
func (c *Conn) handleKFrame(now time.Time, b []byte) {
	sdu, done, err := c.in.addFrame(b)
	if err != nil {
		c.m.coc.disconnect(now, c, err)
		return
	}
	if done {
		c.sdus <- sdu // does not block, see sdus
	}
	c.grantCredits()
}

// endConn releases all who wait. On the loop, once.
func (c *Conn) endConn(err *ChannelError) {
	c.err = err
	close(c.done)
	if w := c.sending; w != nil {
		c.sending = nil
		w.finishWrite(err)
	}
}
