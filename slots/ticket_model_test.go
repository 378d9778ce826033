package slots_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/moor-ble/moor/slots"
)

// modelTicket is a ticket with its expected state.
type modelTicket struct {
	*slots.Ticket
	address  string
	order    int
	priority int
	adapters []string
	waits    bool // asked, and not yet answered
}

func (t *modelTicket) precedes(other *modelTicket) bool {
	return cmp.Or(cmp.Compare(other.priority, t.priority), cmp.Compare(t.order, other.order)) < 0
}

// TestTicketModel makes random calls and checks the rules after each: no adapter of a
// waiting ticket has room, no waiting ticket's address has a slot on one of its
// adapters, and a granted ticket precedes all waiting ones that accept its adapter.
func TestTicketModel(t *testing.T) {
	for seed := range uint64(300) {
		w := &ticketWorld{t: t, rng: rand.New(rand.NewPCG(seed, 2)), m: slots.New(nil)}
		for step := range 200 {
			before := w.held()
			w.step()
			w.check(before)
			if t.Failed() {
				t.Fatalf("with seed %d, in step %d", seed, step)
			}
		}
		w.closeAll()
	}
}

type ticketWorld struct {
	t       *testing.T
	rng     *rand.Rand
	m       *slots.Manager
	tickets []*modelTicket
	orders  int
	linked  [2]string // the slot of the link that came up in this step
}

var modelAdapters = []string{"hci0", "hci1", "hci2"}

func (w *ticketWorld) adapter() string { return modelAdapters[w.rng.IntN(len(modelAdapters))] }
func (w *ticketWorld) address() string { return fmt.Sprint("device ", w.rng.IntN(8)) }

// step makes one random call.
func (w *ticketWorld) step() {
	if len(w.tickets) == 0 || len(w.tickets) < 12 && w.rng.IntN(3) == 0 {
		w.orders++
		mt := &modelTicket{address: w.address(), order: w.orders, priority: w.rng.IntN(3)}
		mt.Ticket = w.m.Ticket(mt.address, mt.priority)
		w.tickets = append(w.tickets, mt)
	}
	i := w.rng.IntN(len(w.tickets))
	mt := w.tickets[i]
	w.linked = [2]string{}
	switch w.rng.IntN(9) {
	case 0, 1, 2:
		mt.adapters = slices.Clone(modelAdapters[:w.rng.IntN(len(modelAdapters)+1)])
		w.rng.Shuffle(len(mt.adapters), func(i, j int) { mt.adapters[i], mt.adapters[j] = mt.adapters[j], mt.adapters[i] })
		mt.waits = len(mt.adapters) > 0
		mt.SetAdapters(mt.adapters...)
	case 3:
		mt.priority = w.rng.IntN(5)
		mt.SetPriority(mt.priority)
	case 4:
		mt.Close()
		w.tickets = slices.Delete(w.tickets, i, i+1)
	case 5:
		w.m.Release(w.adapter(), w.address())
	case 6:
		w.linked = [2]string{w.adapter(), w.address()}
		w.m.Connected(w.linked[0], w.linked[1], 1)
	case 7:
		w.m.Disconnected(w.adapter(), w.address(), 1)
	case 8:
		if w.rng.IntN(4) == 0 {
			w.m.Remove(w.adapter())
		} else {
			w.m.Register(w.adapter(), 1+w.rng.IntN(3))
		}
	}
}

// held returns the slots that are taken, by adapter and address.
func (w *ticketWorld) held() map[[2]string]bool {
	held := map[[2]string]bool{}
	for adapter, addresses := range w.m.Diagnostics().Allocations {
		for _, address := range addresses {
			held[[2]string{adapter, address}] = true
		}
	}
	return held
}

// check checks the rules; before has the slots held before the step.
func (w *ticketWorld) check(before map[[2]string]bool) {
	d := w.m.Diagnostics()
	waiting := map[*modelTicket]bool{}
	for i, status := range d.Waiting {
		at := slices.IndexFunc(w.tickets, func(mt *modelTicket) bool {
			return mt.address == status.Address && mt.priority == status.Priority && slices.Equal(mt.adapters, status.Adapters) && !waiting[mt]
		})
		if at < 0 {
			w.t.Fatalf("unknown ticket %+v waits", status)
		}
		waiting[w.tickets[at]] = true
		if i > 0 && d.Waiting[i-1].Priority < status.Priority {
			w.t.Errorf("%+v waits behind %+v", status, d.Waiting[i-1])
		}
	}
	held := w.held()
	for mt := range waiting {
		for _, name := range mt.adapters {
			if w.m.Room(name) || held[[2]string{name, mt.address}] {
				w.t.Errorf("%s waits for %s, room %v, held %v", mt.address, name, w.m.Room(name), held)
			}
		}
	}
	for slot := range held {
		if before[slot] || slot == w.linked {
			continue // not granted in this step
		}
		first := w.firstAnswered(slot, waiting)
		for mt := range waiting {
			if first != nil && mt.precedes(first) && slices.Contains(mt.adapters, slot[0]) {
				w.t.Errorf("%s was overtaken on %s by %s", mt.address, slot[0], slot[1])
			}
		}
	}
	for _, mt := range w.tickets {
		mt.waits = waiting[mt] // again, if its slot was lost before Acquire returned it
	}
}

// firstAnswered returns the first ticket that a slot may have been granted to in
// this step; nil if it was not granted to a ticket.
func (w *ticketWorld) firstAnswered(slot [2]string, waiting map[*modelTicket]bool) (first *modelTicket) {
	for _, mt := range w.tickets {
		if mt.waits && !waiting[mt] && mt.address == slot[1] && slices.Contains(mt.adapters, slot[0]) && (first == nil || mt.precedes(first)) {
			first = mt
		}
	}
	return first
}

// closeAll closes all tickets and ends all links; nothing must be left.
func (w *ticketWorld) closeAll() {
	for _, mt := range w.tickets {
		mt.Close()
	}
	for slot := range w.held() {
		w.m.Disconnected(slot[0], slot[1], 1)
	}
	if d := w.m.Diagnostics(); len(w.held()) > 0 || len(d.Waiting) > 0 {
		w.t.Errorf("left behind: %+v", d)
	}
}
