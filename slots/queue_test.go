package slots

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// checkQueues checks the number of tickets in the queue of each set of adapters, and that no
// queue is empty or is that of an adapter outside of its set.
func checkQueues(t *testing.T, qs *queues, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	places := 0
	for set, q := range qs.bySet {
		got[fmt.Sprint(q.adapters)] = len(q.entries) - q.stale
		if places += len(q.adapters); q.set != set {
			t.Errorf("the queue of %s is kept as that of %s", q.set, set)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("tickets in the queues: %v, want %v", got, want)
	}
	for name, all := range qs.byAdapter {
		places -= len(all)
		for _, q := range all {
			if !slices.Contains(q.adapters, name) || len(q.entries) == 0 || qs.bySet[q.set] != q {
				t.Errorf("adapter %s has the queue of %v with %d entries", name, q.adapters, len(q.entries))
			}
		}
	}
	if places != 0 {
		t.Errorf("%d places of queues at adapters are missing", places)
	}
}

// A ticket is one entry in one queue, however many adapters it accepts and in whatever
// order. A grant takes the first entry of a queue, leaves no stale one behind, and looks at
// as many queues as there are sets of adapters, whether 50 tickets wait or 3,200.
func TestGrantLooksAtOneTicketOfEachSet(t *testing.T) {
	for _, n := range []int{50, 800, 3200} {
		m := New(nil)
		names := []string{"hci0", "hci1", "hci2", "hci3", "hci4", "hci5", "hci6", "hci7"}
		for _, name := range names {
			m.Register(name, 1)
			m.TryAllocate(name, "busy")
		}
		tickets := make([]*Ticket, n)
		for i := range tickets {
			tickets[i] = m.Ticket(fmt.Sprint("device ", i), 0)
			k := i % len(names)
			tickets[i].SetAdapters(append(slices.Clone(names[k:]), names[:k]...)...)
		}
		alone := m.Ticket("device of one adapter", 0)
		alone.SetAdapters("hci3")
		checkQueues(t, &m.waiting.queues, map[string]int{fmt.Sprint(names): n, "[hci3]": 1})
		if looked := len(m.waiting.queues.byAdapter["hci3"]); looked != 2 {
			t.Errorf("hci3 looks at %d queues", looked)
		}
		all := m.waiting.queues.byAdapter["hci0"][0]
		holder := "busy"
		for i, ticket := range tickets[:20] {
			m.Release("hci3", holder)
			adapter, ok, err := ticket.Take()
			if adapter != "hci3" || !ok || err != nil {
				t.Fatalf("ticket %d of %d: %q, %v, %v", i, n, adapter, ok, err)
			}
			holder = ticket.address
			all.first()
			if len(all.entries) != n-1-i || all.stale != 0 {
				t.Errorf("%d entries after %d grants, %d of them stale", len(all.entries), i+1, all.stale)
			}
		}
		for _, ticket := range tickets {
			ticket.Close()
		}
		alone.Close()
		checkQueues(t, &m.waiting.queues, map[string]int{})
	}
}

// Lists of names that look alike when they are joined are different sets.
func TestSetsOfAdaptersAreToldApart(t *testing.T) {
	m := New(nil)
	for i, adapters := range [][]string{{"a", "b"}, {"b", "a", "b"}, {"ab"}, {"1:b", "a"}, {"a1:b"}, {"a,b"}} {
		m.Ticket(fmt.Sprint(i), 0).SetAdapters(adapters...)
	}
	checkQueues(t, &m.waiting.queues, map[string]int{"[a b]": 2, "[ab]": 1, "[1:b a]": 1, "[a1:b]": 1, "[a,b]": 1})
}
