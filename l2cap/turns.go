package l2cap

import "time"

// turn is a sender's place in the queue for the link's room. Every sender of
// bulk data has one.
type turn struct {
	queued   bool
	writable func(now time.Time) // called when its turn has come
}

// turns shares the link's room among the senders of bulk data. A sender that
// finds no room queues; while others queue, each gets one frame at a time. So a
// channel with an endless backlog delays the frame of another channel by one
// frame, not by its backlog. turns belongs to the loop.
//
// Answers to the peer do not queue: their number is bounded elsewhere.
type turns struct {
	m       *Mux
	waiting []*turn
	serving *turn // its writable is running
	served  bool  // serving has sent a frame
}

// room reports whether t may send a frame now. If not, t is queued and its
// writable called when it may.
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

// sent notes that t has sent a frame.
func (q *turns) sent(t *turn) {
	if q.serving == t {
		q.served = true
	}
}

// serveWaiting gives each queued turn a frame while the link has room. It ends,
// since each either fills some of the room or leaves the queue.
func (q *turns) serveWaiting(now time.Time) {
	if q.serving != nil {
		return // called from within a send; the outer call continues
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
