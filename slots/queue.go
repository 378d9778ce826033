package slots

import (
	"container/heap"
	"slices"
)

// queue holds the tickets that accept one adapter, as a heap: the first to be
// granted a slot is its root.
type queue struct{ places []*place }

// place is a ticket in one queue.
type place struct {
	ticket  *Ticket
	adapter string
	index   int // in the queue's heap
}

// precedes reports whether a ticket is granted a slot before another one.
func (t *Ticket) precedes(other *Ticket) bool {
	if t.priority != other.priority {
		return t.priority > other.priority
	}
	return t.order < other.order
}

func (q *queue) Len() int           { return len(q.places) }
func (q *queue) Less(i, j int) bool { return q.places[i].ticket.precedes(q.places[j].ticket) }

func (q *queue) Swap(i, j int) {
	q.places[i], q.places[j] = q.places[j], q.places[i]
	q.places[i].index, q.places[j].index = i, j
}

func (q *queue) Push(x any) {
	p := x.(*place)
	p.index = len(q.places)
	q.places = append(q.places, p)
}

func (q *queue) Pop() any {
	last := len(q.places) - 1
	p := q.places[last]
	q.places[last] = nil
	q.places = q.places[:last]
	return p
}

// waiting holds the tickets that wait, by the adapters that they accept and by
// their addresses.
type waiting struct {
	byAdapter map[string]*queue
	byAddress map[string][]*Ticket
}

func newWaiting() waiting {
	return waiting{byAdapter: map[string]*queue{}, byAddress: map[string][]*Ticket{}}
}

// firstTicket returns the first ticket that accepts an adapter; nil if there is
// none.
func (w *waiting) firstTicket(adapter string) *Ticket {
	if q := w.byAdapter[adapter]; q != nil {
		return q.places[0].ticket
	}
	return nil
}

// addTicket puts a ticket into the queues of its adapters.
func (w *waiting) addTicket(t *Ticket) {
	t.places = make([]*place, len(t.adapters))
	for i, name := range t.adapters {
		q := w.byAdapter[name]
		if q == nil {
			q = &queue{}
			w.byAdapter[name] = q
		}
		t.places[i] = &place{ticket: t, adapter: name}
		heap.Push(q, t.places[i])
	}
	w.byAddress[t.address] = append(w.byAddress[t.address], t)
}

// removeTicket takes a ticket out of its queues. It does nothing if the ticket is
// in none.
func (w *waiting) removeTicket(t *Ticket) {
	if t.places == nil {
		return
	}
	for _, p := range t.places {
		q := w.byAdapter[p.adapter]
		heap.Remove(q, p.index)
		if q.Len() == 0 {
			delete(w.byAdapter, p.adapter)
		}
	}
	t.places = nil
	rest := slices.DeleteFunc(w.byAddress[t.address], func(x *Ticket) bool { return x == t })
	if w.byAddress[t.address] = rest; len(rest) == 0 {
		delete(w.byAddress, t.address)
	}
}

// moveTicket moves a ticket whose priority has changed.
func (w *waiting) moveTicket(t *Ticket) {
	for _, p := range t.places {
		heap.Fix(w.byAdapter[p.adapter], p.index)
	}
}

// wakeTickets wakes the tickets that accept an adapter.
func (w *waiting) wakeTickets(adapter string) {
	if q := w.byAdapter[adapter]; q != nil {
		for _, p := range q.places {
			p.ticket.wakeAcquire()
		}
	}
}

// inOrder returns all tickets, the first to be granted a slot first.
func (w *waiting) inOrder() []*Ticket {
	var all []*Ticket
	for _, tickets := range w.byAddress {
		all = append(all, tickets...)
	}
	slices.SortFunc(all, func(x, y *Ticket) int {
		if x.precedes(y) {
			return -1
		}
		return 1
	})
	return all
}
