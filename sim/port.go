package sim

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ring"
)

// Bounds of a port's queues. Beyond them a controller drops and counts packets of
// the host, drops advertising reports, and does not acknowledge the peers' data.
const (
	maxInput      = 4096
	reportRoom    = 2048
	dataRoom      = 512
	dataPacket    = 2 // H4 packet types
	eventPacket   = 4
	commandPacket = 1
)

// port is the transport between a controller and one host. Each Plug makes a new
// port.
type port struct {
	c *Controller

	// Guarded by the air's lock.
	in    []inPacket
	dirty bool

	mu    sync.Mutex // leaf; guards the rest
	out   ring.Ring[[]byte]
	free  [][]byte
	data  int // data packets in out
	err   error
	ready chan struct{} // one slot: out or err has changed
}

// inPacket is a packet from the host. The controller processes it at the time
// at.
type inPacket struct {
	at  instant
	buf []byte
}

func newPort(c *Controller) *port { return &port{c: c, ready: make(chan struct{}, 1)} }

// ReadPacket implements hci.Transport.
func (p *port) ReadPacket(b []byte) (int, error) {
	for {
		p.mu.Lock()
		if p.out.Len() > 0 {
			buf := p.out.Pop()
			n := copy(b, buf)
			if isData(buf) {
				p.data--
			}
			short := n < len(buf)
			p.free = append(p.free, buf)
			p.mu.Unlock()
			if short {
				return n, fmt.Errorf("sim: packet of %d octets, buffer of %d: %w", len(buf), len(b), io.ErrShortBuffer)
			}
			return n, nil
		}
		err := p.err
		p.mu.Unlock()
		if err != nil {
			return 0, err
		}
		<-p.ready
	}
}

// WritePacket implements hci.Transport.
func (p *port) WritePacket(b []byte) error {
	p.mu.Lock()
	err := p.err
	p.mu.Unlock()
	if err != nil {
		return err
	}
	a := p.c.air
	at := a.elapsed().plus(p.c.cfg.latency())
	a.mu.Lock()
	if len(p.in) >= maxInput {
		p.c.lostInput++
		a.mu.Unlock()
		return nil
	}
	var buf []byte
	if n := len(p.c.freeIn); n > 0 {
		buf, p.c.freeIn = p.c.freeIn[n-1][:0], p.c.freeIn[:n-1]
	}
	p.in = append(p.in, inPacket{at, append(buf, b...)})
	if !p.dirty {
		p.dirty = true
		a.dirty = append(a.dirty, p)
	}
	a.mu.Unlock()
	a.signal()
	return nil
}

// Close implements hci.Transport. It resets the controller, whose links end on
// the other side by supervision timeout.
func (p *port) Close() error {
	if p.closePort(fmt.Errorf("sim: transport: %w", net.ErrClosed), true) {
		c := p.c
		c.air.post(func() { c.powerOff(p) })
	}
	return nil
}

// closePort makes the port fail with err and reports whether it was open. With
// drop, packets that the host has not read are lost.
func (p *port) closePort(err error, drop bool) bool {
	p.mu.Lock()
	open := p.err == nil
	if open {
		p.err = err
	}
	if drop {
		p.out, p.free, p.data = ring.Ring[[]byte]{}, nil, 0
	}
	p.mu.Unlock()
	p.signal()
	return open
}

func (p *port) signal() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// collectInput moves the packets that the host has written to the controller.
// The air calls it with its lock held.
func (p *port) collectInput() {
	p.dirty = false
	c := p.c
	c.freeIn = append(c.freeIn, c.usedIn...)
	c.usedIn = c.usedIn[:0]
	for i := range p.in {
		if c.port == p && !c.losesCommand(p.in[i].buf) {
			c.input.Push(p.in[i])
		}
		p.in[i] = inPacket{}
	}
	p.in = p.in[:0]
}

// queueForHost queues a packet for the host, in two parts.
func (p *port) queueForHost(head, tail []byte) {
	p.mu.Lock()
	if p.err == nil {
		var buf []byte
		if n := len(p.free); n > 0 {
			buf, p.free = p.free[n-1][:0], p.free[:n-1]
		}
		buf = append(append(buf, head...), tail...)
		if isData(buf) {
			p.data++
		}
		p.out.Push(buf)
	}
	p.mu.Unlock()
	p.signal()
}

// hasRoom reports whether the queue to the host has room for data, or for a
// report.
func (p *port) hasRoom(report bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if report {
		return p.out.Len() < reportRoom
	}
	return p.data < dataRoom
}

func isData(b []byte) bool    { return len(b) > 0 && b[0] == dataPacket }
func isCommand(b []byte) bool { return len(b) > 0 && b[0] == commandPacket }

var _ hci.Transport = (*port)(nil)
