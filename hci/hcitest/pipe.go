package hcitest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
)

// queueLen bounds each direction of a pipe. A test that runs into it has a
// stack that sends without end; the writer then waits until the other side
// reads or the pipe ends.
const queueLen = 4096

// Host is the end of a pipe that the stack under test uses. It implements
// hci.Transport.
type Host struct{ p *pipe }

// Controller is the end of a pipe that the test uses. Its methods may be
// called from any goroutine; Want methods only from one at a time.
type Controller struct{ p *pipe }

// pipe is the state that both ends share.
type pipe struct {
	toHost, toController chan []byte

	failOnce, closeOnce sync.Once
	failed              chan struct{} // closed by Fail, after err is set
	closed              chan struct{} // closed by Host.Close
	err                 error
}

// Pipe returns two ends of an in-memory transport. It starts no goroutine.
func Pipe() (*Host, *Controller) {
	p := &pipe{
		toHost:       make(chan []byte, queueLen),
		toController: make(chan []byte, queueLen),
		failed:       make(chan struct{}),
		closed:       make(chan struct{}),
	}
	return &Host{p}, &Controller{p}
}

// ReadPacket implements hci.Transport. Packets sent before Fail are delivered
// first; Close ends reading at once.
func (h *Host) ReadPacket(b []byte) (int, error) {
	p := h.p
	select {
	case <-p.closed:
		return 0, closedError("read")
	default:
	}
	select {
	case pkt := <-p.toHost:
		return copyPacket(b, pkt)
	default:
	}
	select {
	case pkt := <-p.toHost:
		return copyPacket(b, pkt)
	case <-p.closed:
		return 0, closedError("read")
	case <-p.failed:
	}
	// Fail came after everything that was sent before it.
	select {
	case pkt := <-p.toHost:
		return copyPacket(b, pkt)
	default:
		return 0, fmt.Errorf("hcitest: read: %w", p.err)
	}
}

func copyPacket(b, pkt []byte) (int, error) {
	if len(pkt) > len(b) {
		return 0, fmt.Errorf("hcitest: read: packet of %d bytes into a buffer of %d", len(pkt), len(b))
	}
	return copy(b, pkt), nil
}

// WritePacket implements hci.Transport.
func (h *Host) WritePacket(b []byte) error {
	p := h.p
	select {
	case <-p.closed:
		return closedError("write")
	case <-p.failed:
		return fmt.Errorf("hcitest: write: %w", p.err)
	default:
	}
	select {
	case p.toController <- slices.Clone(b):
		return nil
	case <-p.closed:
		return closedError("write")
	case <-p.failed:
		return fmt.Errorf("hcitest: write: %w", p.err)
	}
}

// Close implements hci.Transport.
func (h *Host) Close() error {
	h.p.closeOnce.Do(func() { close(h.p.closed) })
	return nil
}

func closedError(op string) error { return fmt.Errorf("hcitest: %s: %w", op, net.ErrClosed) }

// Send hands one packet to the host, exactly as it is: wrong ones too. After
// the host has closed its end it does nothing, as a controller would.
func (c *Controller) Send(packet []byte) {
	select {
	case <-c.p.closed:
		return
	default:
	}
	select {
	case c.p.toHost <- slices.Clone(packet):
	case <-c.p.closed:
	}
}

// Fail makes the host's end fail for good with an error that wraps err: at
// once for writes, after what was sent before for reads. Only the first call
// counts.
func (c *Controller) Fail(err error) {
	c.p.failOnce.Do(func() {
		c.p.err = err
		close(c.p.failed)
	})
}

// Sent waits for the next packet that the host sends and returns it. It
// returns an error that wraps net.ErrClosed after the host has closed its end
// and nothing is left, and context.Cause(ctx) when ctx ends first.
func (c *Controller) Sent(ctx context.Context) ([]byte, error) {
	if pkt, ok := c.takeSent(); ok {
		return pkt, nil
	}
	select {
	case pkt := <-c.p.toController:
		return pkt, nil
	case <-c.p.closed:
		if pkt, ok := c.takeSent(); ok {
			return pkt, nil
		}
		return nil, closedError("sent")
	case <-ctx.Done():
		return nil, fmt.Errorf("hcitest: sent: %w", context.Cause(ctx))
	}
}

// next returns what the host has sent already.
func (c *Controller) takeSent() ([]byte, bool) {
	select {
	case pkt := <-c.p.toController:
		return pkt, true
	default:
		return nil, false
	}
}

// Closed is closed when the host has closed its end.
func (c *Controller) Closed() <-chan struct{} { return c.p.closed }
