package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// roomBound is how many data packets a link queues before Room says no. It is
// more than any controller's share of buffers for one link in one connection
// event, so that the bound costs no throughput, and small enough that what a
// program has written is soon on air.
const roomBound = 16

// spareBuffers is how many sent packet buffers are kept for the next ones.
const spareBuffers = 64

// dataCredits is the flow control of ACL data towards the controller
// (Vol 4, Part E, 4.1.1): a pool of buffers, shared by all links.
type dataCredits struct {
	length int // octets in one buffer
	total  int // buffers of the controller
	free   int // of these, not in use
	ready  []*Link
}

// queueData appends one data packet to l's queue.
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

// recycle takes back a buffer whose packet has been sent.
func (c *core) recycleBuffer(b []byte) {
	if cap(b) == hci.ACLHeaderLen+c.data.length && len(c.free) < spareBuffers {
		c.free = append(c.free, b)
	}
}

// pumpData sends what the controller has buffers for, one packet a link in
// turn. While there are other links, no link takes more buffers than it leaves
// free, so one whose peer has gone silent cannot starve the rest.
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
		l.inflight++
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

// completed handles Number Of Completed Packets. Counts beyond what a link has
// in flight are a fault of the controller and must not grow the pool.
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
			l.noteHeard()
		}
		for len(l.deliveries) > 0 && l.deliveries[0].at <= l.acked {
			f := l.deliveries[0].f
			l.deliveries = slices.Delete(l.deliveries, 0, 1)
			f(c.now)
		}
	}
}

// delivery is a continuation for when so many packets of a link have been
// acknowledged.
type delivery struct {
	at uint64
	f  func(now time.Time)
}

// OnDelivered calls f once the peer's link layer has all that has been given to
// SendACL so far: at once, if it has. It is never called on a link that goes
// down before. On the loop.
func (l *Link) OnDelivered(f func(now time.Time)) {
	waiting := uint64(l.queue.Len() + l.inflight)
	if waiting == 0 {
		f(l.c.now)
		return
	}
	l.deliveries = append(l.deliveries, delivery{l.acked + waiting, f})
}

// dropData forgets what l has queued and takes back its buffers: a controller
// frees them with the link and reports nothing (7.7.5).
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
