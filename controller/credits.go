package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// roomBound is the number of queued data packets from which on Room reports no
// room. It exceeds the number of packets that a controller can send in one
// connection event, so that it does not limit throughput, and is small enough that
// written data is soon on air.
const roomBound = 16

// spareBuffers bounds the number of buffers that are kept for reuse.
const spareBuffers = 64

// dataCredits is the flow control of ACL data towards the controller
// (Vol 4, Part E, 4.1.1): all links share the buffers of the controller.
type dataCredits struct {
	length int     // octets of data in one buffer
	total  int     // buffers of the controller
	free   int     // buffers not in use
	ready  []*Link // links with queued packets, in the order of their turns
}

// queueData appends one data packet to the queue of l.
func (c *core) queueData(l *Link, start bool, data []byte) {
	var b []byte
	if n := len(c.free); n > 0 {
		b, c.free = c.free[n-1], c.free[:n-1]
	} else {
		b = make([]byte, 0, hci.ACLHeaderLen+c.data.length)
	}
	b = hci.AppendACL(b[:0], l.handle, start, data)
	l.queue.Push(b)
	if !l.ready {
		l.ready = true
		c.data.ready = append(c.data.ready, l)
	}
}

// recycleBuffer keeps the buffer of a sent packet for reuse.
func (c *core) recycleBuffer(b []byte) {
	if cap(b) == hci.ACLHeaderLen+c.data.length && len(c.free) < spareBuffers {
		c.free = append(c.free, b)
	}
}

// pumpData sends data packets while the controller has buffers. The links take
// turns, one packet each. While there are several links, none may use more buffers
// than it leaves free, so that a link with a silent peer cannot starve the others.
func (c *core) pumpData() {
	d := &c.data
	for skipped := 0; d.free > 0 && skipped < len(d.ready); {
		l := d.ready[0]
		copy(d.ready, d.ready[1:])
		d.ready[len(d.ready)-1] = nil
		d.ready = d.ready[:len(d.ready)-1]
		if len(c.links) > 1 && l.inflight > 0 && l.inflight >= d.free {
			d.ready = append(d.ready, l)
			skipped++
			continue
		}
		skipped = 0
		c.sendPacket(l.queue.Pop())
		if l.inflight++; l.inflight == 1 {
			c.stalls.noteSent(l)
		}
		d.free--
		if l.queue.Len() > 0 {
			d.ready = append(d.ready, l)
		} else {
			l.ready = false
		}
		if l.waiting && l.queue.Len() <= roomBound/2 {
			l.waiting = false
			l.handler.Writable(c.now)
		}
	}
}

// handleCompletedPackets handles Number Of Completed Packets. A count beyond the
// packets in flight is a fault of the controller and must not add buffers.
func (c *core) handleCompletedPackets(ev *hci.NumberOfCompletedPackets) {
	for _, n := range ev.Counts {
		l := c.links[n.Handle]
		if l == nil {
			c.stats.UnknownHandles++
			continue
		}
		count := min(int(n.Count), l.inflight)
		c.stats.ExcessCredits += uint64(int(n.Count) - count)
		l.inflight -= count
		c.data.free += count
		l.acked += uint64(count)
		if count > 0 {
			l.heardAt = c.now
			c.stalls.noteAcked(l)
		}
		for len(l.deliveries) > 0 && l.deliveries[0].at <= l.acked {
			f := l.deliveries[0].f
			l.deliveries = slices.Delete(l.deliveries, 0, 1)
			f(c.now)
		}
	}
}

// delivery calls f once at packets of a link have been acknowledged.
type delivery struct {
	at uint64
	f  func(now time.Time)
}

// OnDelivered calls f once the link layer of the peer has acknowledged everything
// passed to SendACL so far, which may be at once. f is not called if the link goes
// down first. Must run on the loop.
func (l *Link) OnDelivered(f func(now time.Time)) {
	waiting := uint64(l.queue.Len() + l.inflight)
	if waiting == 0 {
		f(l.c.now)
		return
	}
	l.deliveries = append(l.deliveries, delivery{l.acked + waiting, f})
}

// dropQueuedData drops the queued packets of l and reclaims its buffers. The
// controller frees them with the link, without an event (7.7.5).
func (c *core) dropQueuedData(l *Link) {
	c.data.free += l.inflight
	l.inflight = 0
	for l.queue.Len() > 0 {
		c.recycleBuffer(l.queue.Pop())
	}
	if l.ready {
		l.ready = false
		c.data.ready = slices.DeleteFunc(c.data.ready, func(r *Link) bool { return r == l })
	}
}
