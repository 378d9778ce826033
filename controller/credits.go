package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// minRoom is the least number of queued data packets from which on Room reports no
// room.
const minRoom = 16

// spareBuffers bounds the number of buffers that are kept for reuse.
const spareBuffers = 64

// dataCredits is the flow control of ACL data towards the controller
// (Vol 4, Part E, 4.1.1): all links share the buffers of the controller.
type dataCredits struct {
	length int     // octets of data in one buffer
	total  int     // buffers of the controller
	free   int     // buffers not in use
	ready  []*Link // links with queued packets
	// doubted reports that the controller has reported packets as completed that were not.
	doubted bool
}

// roomBound is the number of queued data packets from which on Room reports no room: as
// many as can be completed at once, so that a link has packets for the buffers of its
// event, and few enough that written data is soon on air.
func (c *core) roomBound() int { return max(minRoom, c.data.total) }

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
		l.ready, l.share.fresh = true, true
		c.data.ready = append(c.data.ready, l)
	}
}

// recycleBuffer keeps the buffer of a sent packet for reuse.
func (c *core) recycleBuffer(b []byte) {
	if cap(b) == hci.ACLHeaderLen+c.data.length && len(c.free) < spareBuffers {
		c.free = append(c.free, b)
	}
}

// handleCompletedPackets handles Number Of Completed Packets. A count beyond the
// packets in flight is a fault of the controller and must not add buffers.
func (c *core) handleCompletedPackets(ev *hci.NumberOfCompletedPackets) {
	for _, n := range ev.Counts {
		l := c.linkOf(n.Handle)
		if l == nil {
			c.stats.UnknownHandles++
			continue
		}
		count := min(int(n.Count), l.inflight)
		if int(n.Count) > count {
			c.stats.ExcessCredits += uint64(int(n.Count) - count)
			c.data.doubted = true
		}
		l.inflight -= count
		c.data.free += count
		l.acked += uint64(count)
		if count > 0 {
			l.heardAt = c.now
			c.noteFreed(l, count, len(ev.Counts) == 1)
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
	c.forgetShare(l)
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
