package hcitest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
)

// queueLen bounds the packets in each direction of a pipe. A writer to a full pipe
// waits until the other side reads or the pipe ends. A stack that fills a pipe sends
// without end.
const queueLen = 4096

// Host is the end of a pipe for the stack under test. It implements hci.Transport.
type Host struct{ p *pipe }

// Controller is the end of a pipe for the test. Its methods may be called from any
// goroutine, the Want methods from one at a time.
type Controller struct{ p *pipe }

// pipe is the state of both ends.
type pipe struct {
	toHost, toController chan []byte

	failOnce, closeOnce sync.Once
	failed              chan struct{} // closed by Fail, after err is set
	closed              chan struct{} // closed by Host.Close
	err                 error
}

// Pipe returns the two ends of a transport in memory. It starts no goroutine.
func Pipe() (*Host, *Controller) {
	p := &pipe{
		toHost:       make(chan []byte, queueLen),
		toController: make(chan []byte, queueLen),
		failed:       make(chan struct{}),
		closed:       make(chan struct{}),
	}
	return &Host{p}, &Controller{p}
}

// ReadPacket implements hci.Transport. After Fail it first returns the packets that
// were sent before. After Close it fails at once.
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
	// Packets that were sent before Fail come first.
	select {
	case pkt := <-p.toHost:
		return copyPacket(b, pkt)
	default:
		return 0, fmt.Errorf("hcitest: read: %w", p.err)
	}
}

// copyPacket copies pkt into b and returns its length.
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

// Send sends one packet to the host, without any check. After the host has closed its
// end it does nothing.
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

// Fail makes the host's end fail with an error that wraps err. Writes fail at once,
// reads after the packets that were sent before. Only the first call counts.
func (c *Controller) Fail(err error) {
	c.p.failOnce.Do(func() {
		c.p.err = err
		close(c.p.failed)
	})
}

// Sent waits for the next packet of the host. Its error wraps net.ErrClosed if the
// host has closed its end and no packet is left, or context.Cause(ctx) if ctx ends
// first.
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

// takeSent returns the next packet that the host has sent, if there is one.
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
