package controller

import (
	"sync"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ring"
)

const (
	// maxAdverts bounds the advertising report packets between the reader and the loop.
	// They come in bursts, and the loop may be kept waiting for the processor: 4,096 of
	// them last for 0.4 s at 10,000 per second.
	maxAdverts = 4096
	// advertBatch bounds how many of them the loop handles before it looks for other
	// work.
	advertBatch = 32
)

// advertPacket is an advertising report packet on its way from the reader to the loop.
type advertPacket struct {
	n    int
	b    [1 + 2 + 255]byte // an event
	cuts *cuts             // before it; usually nil
}

// adverts is the queue of advertising report packets. All other packets have a queue of
// their own and overtake them. Its memory grows to the greatest number that has waited.
type adverts struct {
	// ready holds a token while the loop has to look after the queue, or after the work
	// that the reader has left to it.
	ready chan struct{}

	mu      sync.Mutex
	waiting ring.Ring[*advertPacket] // guarded by mu, as all below
	spare   []*advertPacket
	cuts    *cuts // since the last packet in waiting; usually nil

	dec hci.Decoder // of dropped packets; owned by the reader
}

func (a *adverts) init() { a.ready = make(chan struct{}, 1) }

// push appends a copy of an event packet, or returns false if the queue is full. Called
// by the reader.
func (a *adverts) push(packet []byte) bool {
	a.mu.Lock()
	if a.waiting.Len() == maxAdverts {
		a.cutsLocked().noteDropped(&a.dec, packet)
		a.mu.Unlock()
		return false
	}
	var p *advertPacket
	if n := len(a.spare); n > 0 {
		p = a.spare[n-1]
		a.spare = a.spare[:n-1]
	} else {
		p = new(advertPacket)
	}
	p.n = copy(p.b[:], packet)
	p.cuts, a.cuts = a.cuts, nil
	a.waiting.Push(p)
	a.mu.Unlock()
	a.wake()
	return true
}

// noteRestart notes the start or end of a scan, before the packets that are pushed from
// now on. Called by the reader.
func (a *adverts) noteRestart() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cutsLocked().noteRestart()
}

// takeCuts removes the cuts since the last packet that has waited. Called by the reader.
func (a *adverts) takeCuts() *cuts {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.cuts
	a.cuts = nil
	return c
}

func (a *adverts) cutsLocked() *cuts {
	if a.cuts == nil {
		a.cuts = &cuts{}
	}
	return a.cuts
}

func (a *adverts) wake() {
	select {
	case a.ready <- struct{}{}:
	default:
	}
}

// pop removes the oldest packet; nil if there is none. Called by the loop, which gives
// the packet back to recycle.
func (a *adverts) pop() *advertPacket {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting.Len() == 0 {
		return nil
	}
	return a.waiting.Pop()
}

// waits reports whether a packet is in the queue.
func (a *adverts) waits() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting.Len() > 0
}

func (a *adverts) recycle(p *advertPacket) {
	a.mu.Lock()
	a.spare = append(a.spare, p)
	a.mu.Unlock()
}

// isAdvertising reports whether an H4 packet is an LE (Extended) Advertising Report
// event.
func isAdvertising(b []byte) bool {
	return len(b) > 3 && len(b) <= len(advertPacket{}.b) &&
		hci.PacketType(b[0]) == hci.PacketEvent && b[1] == hci.EvLEMeta &&
		(b[3] == hci.EvLEAdvertisingReport || b[3] == hci.EvLEExtendedAdvertisingReport)
}
