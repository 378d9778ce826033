package l2cap

import "time"

// turn is a place in the queue for the link's room. Everything that sends in
// bulk has one.
type turn struct {
	queued   bool
	writable func(now time.Time) // called when its turn has come
}

// turns shares the link's room among those who send in bulk: who finds none,
// queues, and while others wait each gets one frame at a time. So a channel
// with an endless backlog delays another one's frame by one frame, not by its
// backlog. It belongs to the loop.
//
// Answers to the peer do not queue: their number is bounded elsewhere.
type turns struct {
	m       *Mux
	waiting []*turn
	serving *turn // whose writable is running
	served  bool  // it has sent a frame
}

// room reports whether the holder of t may send a frame now. If not, it will be
// called when it may.
func (q *turns) room(t *turn) bool {
	if q.m.link.Room() && (len(q.waiting) == 0 || q.serving == t && !q.served) {
		return true
	}
	if !t.queued {
		t.queued = true
		q.waiting = append(q.waiting, t)
	}
	return false
}

// sent notes that the holder of t has sent a frame.
func (q *turns) sent(t *turn) {
	if q.serving == t {
		q.served = true
	}
}

// serveWaiting serves those who wait while the link has room. Each one served either
// fills some of the room or leaves the queue, so this ends.
func (q *turns) serveWaiting(now time.Time) {
	if q.serving != nil {
		return // the link called back from within a send; the loop below goes on
	}
	for len(q.waiting) > 0 && q.m.link.Room() {
		t := q.waiting[0]
		copy(q.waiting, q.waiting[1:])
		q.waiting = q.waiting[:len(q.waiting)-1]
		t.queued = false
		q.serving, q.served = t, false
		t.writable(now)
		q.serving = nil
	}
}
