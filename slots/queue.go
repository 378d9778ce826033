package slots

import (
	"slices"
	"strconv"
)

// rank is the place of a ticket in the queues. A waiting ticket has one rank, which it
// loses when it no longer waits; an entry of another rank is stale.
type rank struct {
	priority int
	order    uint64 // of the ticket
	request  uint64 // the ticket's count of requests
}

// precedes reports whether a ticket of rank r is granted a slot before another one.
func (r rank) precedes(o rank) bool {
	if r.priority != o.priority {
		return r.priority > o.priority
	}
	return r.order < o.order
}

// rank returns the present rank of a ticket.
func (t *Ticket) rank() rank { return rank{t.priority, t.order, t.requests} }

// entry is a ticket in a queue.
type entry struct {
	rank
	ticket *Ticket
}

// stale reports whether the ticket no longer waits with this rank.
func (e *entry) stale() bool { return e.ticket.queue == nil || e.request != e.ticket.requests }

// queue holds the tickets that accept the same adapters, as a heap: the first to be granted
// a slot is its root. A ticket that no longer waits stays until it comes to the root, or
// until most entries are stale.
type queue struct {
	adapters []string // ordered by name
	set      string   // appendSet of these
	entries  []entry  // not all of them stale
	stale    int
}

// push adds an entry.
func (q *queue) push(e entry) {
	q.entries = append(q.entries, e)
	for i := len(q.entries) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.entries[i].precedes(q.entries[parent].rank) {
			return
		}
		q.entries[i], q.entries[parent] = q.entries[parent], q.entries[i]
		i = parent
	}
}

// siftDown moves the entry at i to its place below.
func (q *queue) siftDown(i int) {
	for {
		first := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(q.entries); k++ {
			if q.entries[k].precedes(q.entries[first].rank) {
				first = k
			}
		}
		if first == i {
			return
		}
		q.entries[i], q.entries[first] = q.entries[first], q.entries[i]
		i = first
	}
}

// first returns the first ticket that waits.
func (q *queue) first() *Ticket {
	for q.entries[0].stale() {
		last := len(q.entries) - 1
		q.entries[0], q.entries[last] = q.entries[last], entry{}
		q.entries = q.entries[:last]
		q.siftDown(0)
		q.stale--
	}
	return q.entries[0].ticket
}

// noteStale notes that an entry has become stale, and drops the stale ones once they are
// more than half.
func (q *queue) noteStale() {
	if q.stale++; 2*q.stale <= len(q.entries) {
		return
	}
	q.entries = slices.DeleteFunc(q.entries, func(e entry) bool { return e.stale() })
	q.stale = 0
	for i := len(q.entries)/2 - 1; i >= 0; i-- {
		q.siftDown(i)
	}
}

// queues holds a queue for each set of adapters that tickets accept. A ticket is in one
// queue, however many adapters it accepts, and an adapter has few: devices in one place are
// in reach of the same adapters.
type queues struct {
	bySet     map[string]*queue // by their sets
	byAdapter map[string][]*queue
}

func newQueues() queues { return queues{map[string]*queue{}, map[string][]*queue{}} }

// appendSet appends the key of an ordered list of adapters.
func appendSet(key []byte, adapters []string) []byte {
	for _, name := range adapters {
		key = append(strconv.AppendInt(key, int64(len(name)), 10), ':')
		key = append(key, name...)
	}
	return key
}

// addTicket puts a ticket, which must be in no queue, into that of its adapters.
func (qs *queues) addTicket(t *Ticket) {
	adapters := slices.Clone(t.adapters)
	slices.Sort(adapters)
	adapters = slices.Compact(adapters)
	set := appendSet(make([]byte, 0, 128), adapters)
	q := qs.bySet[string(set)]
	if q == nil {
		q = &queue{adapters: adapters, set: string(set)}
		qs.bySet[q.set] = q
		for _, name := range adapters {
			qs.byAdapter[name] = append(qs.byAdapter[name], q)
		}
	}
	t.requests++
	t.queue = q
	q.push(entry{t.rank(), t})
}

// removeTicket takes a ticket out of its queue.
func (qs *queues) removeTicket(t *Ticket) {
	q := t.queue
	t.queue = nil
	if q.noteStale(); len(q.entries) == 0 {
		qs.dropQueue(q)
	}
}

// dropQueue removes an empty queue.
func (qs *queues) dropQueue(q *queue) {
	delete(qs.bySet, q.set)
	for _, name := range q.adapters {
		rest := slices.DeleteFunc(qs.byAdapter[name], func(x *queue) bool { return x == q })
		if qs.byAdapter[name] = rest; len(rest) == 0 {
			delete(qs.byAdapter, name)
		}
	}
}

// first returns the first ticket that accepts an adapter; nil if there is none.
func (qs *queues) first(adapter string) (first *Ticket) {
	for _, q := range qs.byAdapter[adapter] {
		if t := q.first(); first == nil || t.rank().precedes(first.rank()) {
			first = t
		}
	}
	return first
}

// waiting holds the tickets that wait for a slot, by the adapters that they accept and by
// their addresses, and those that wait aside for the end of a link, by their adapters.
type waiting struct {
	queues    queues
	byAddress map[string][]*Ticket
	aside     queues
}

func newWaiting() waiting {
	return waiting{queues: newQueues(), byAddress: map[string][]*Ticket{}, aside: newQueues()}
}

// addTicket lets a ticket, which must not wait, wait for a slot.
func (w *waiting) addTicket(t *Ticket) {
	t.aside = false
	w.queues.addTicket(t)
	w.byAddress[t.address] = append(w.byAddress[t.address], t)
}

// putAside lets a ticket, which must not wait, wait for the end of a link.
func (w *waiting) putAside(t *Ticket) {
	t.aside = true
	w.aside.addTicket(t)
}

// removeTicket ends the wait of a ticket, if it waits.
func (w *waiting) removeTicket(t *Ticket) {
	if t.queue == nil {
		return
	}
	if t.aside {
		w.aside.removeTicket(t)
		return
	}
	w.queues.removeTicket(t)
	rest := slices.DeleteFunc(w.byAddress[t.address], func(x *Ticket) bool { return x == t })
	if w.byAddress[t.address] = rest; len(rest) == 0 {
		delete(w.byAddress, t.address)
	}
}

// moveTicket gives a ticket a new priority.
func (w *waiting) moveTicket(t *Ticket, priority int) {
	if t.queue == nil || t.aside {
		t.priority = priority // aside, the order does not matter
		return
	}
	w.removeTicket(t)
	t.priority = priority
	w.addTicket(t)
}

// wakeTickets wakes the tickets that accept an adapter.
func (w *waiting) wakeTickets(adapter string) {
	for _, q := range w.queues.byAdapter[adapter] {
		for i := range q.entries {
			if !q.entries[i].stale() {
				q.entries[i].ticket.wakeAcquire()
			}
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
		if x.rank().precedes(y.rank()) {
			return -1
		}
		return 1
	})
	return all
}
