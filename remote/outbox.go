package remote

import (
	"fmt"
	"io"
	"sync"

	"github.com/moor-ble/moor/internal/ring"
)

// maxReports is how many packets may wait for the host before reports of advertisements
// are dropped, and maxPackets before no more messages of the proxy are read.
const (
	maxReports = 4096
	maxPackets = 8192
)

// packets is the queue of the packets for the host. Reports beyond maxReports are dropped.
// Beyond maxPackets, awaitRoom waits: the network then holds back the proxy.
type packets struct {
	ready chan struct{} // one slot: there is a packet, or err is set
	room  chan struct{} // one slot: there is room, or err is set

	mu      sync.Mutex // leaf; guards the rest
	queue   ring.Ring[[]byte]
	err     error
	dropped uint32
}

func newPackets() *packets {
	return &packets{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// pushPacket queues a packet, which it keeps.
func (p *packets) pushPacket(b []byte, report bool) {
	p.mu.Lock()
	switch {
	case p.err != nil:
	case report && p.queue.Len() >= maxReports:
		p.dropped++
	default:
		p.queue.Push(b)
	}
	p.mu.Unlock()
	p.wakeReader()
}

// closePackets makes pop fail with err.
func (p *packets) closePackets(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.mu.Unlock()
	p.wakeReader()
	p.tellRoom()
}

func (p *packets) tellRoom() {
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// awaitRoom waits until the queue has room. One goroutine at a time may call it.
func (p *packets) awaitRoom() {
	for {
		p.mu.Lock()
		free := p.err != nil || p.queue.Len() < maxPackets
		p.mu.Unlock()
		if free {
			return
		}
		<-p.room
	}
}

func (p *packets) wakeReader() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// pop waits for the next packet and copies it into b.
func (p *packets) pop(b []byte) (int, error) {
	for {
		p.mu.Lock()
		err := p.err
		var packet []byte
		if err == nil && p.queue.Len() > 0 {
			packet = p.queue.Pop()
		}
		freed := p.queue.Len() == maxPackets-1
		p.mu.Unlock()
		if freed {
			p.tellRoom()
		}
		switch {
		case err != nil:
			p.wakeReader() // for the next call
			return 0, err
		case packet != nil:
			n := copy(b, packet)
			if n < len(packet) {
				return n, fmt.Errorf("remote: packet of %d octets, buffer of %d: %w", len(packet), len(b), io.ErrShortBuffer)
			}
			return n, nil
		}
		<-p.ready
	}
}

func (p *packets) drops() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}
