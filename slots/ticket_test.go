package slots_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/slots"
)

// ask calls Ticket.Acquire on a goroutine and waits until it blocks or returns.
func ask(ctx context.Context, ticket *slots.Ticket, adapters ...string) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.adapter, c.err = ticket.Acquire(ctx, adapters...)
	}()
	synctest.Wait()
	return c
}

func TestTicketKeepsItsPlace(t *testing.T) { synctest.Test(t, testTicketKeepsItsPlace) }

// testTicketKeepsItsPlace has a caller stop waiting and ask again, for another
// adapter: it precedes those that came after its ticket.
func testTicketKeepsItsPlace(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.Register("hci1", 1)
	m.TryAllocate("hci0", "holder")
	m.TryAllocate("hci1", "holder")
	early, late := m.Ticket("early", 0), m.Ticket("late", 0)
	defer early.Close()
	defer late.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	first := ask(ctx, early, "hci0")
	second := ask(t.Context(), late, "hci1")
	time.Sleep(20 * time.Second)
	first.want(t, "", context.DeadlineExceeded)
	if want := "slots: waiting for a slot on hci0: context deadline exceeded"; first.err.Error() != want {
		t.Errorf("error is %q, want %q", first.err, want)
	}
	again := ask(t.Context(), early, "hci1")
	m.Release("hci1", "holder")
	again.want(t, "hci1", nil)
	second.wantWaiting(t)
	m.Release("hci1", "early")
	second.want(t, "hci1", nil)

	// The ticket keeps its place after it has got a slot.
	third := ask(t.Context(), m.Ticket("third", 0), "hci0")
	again = ask(t.Context(), early, "hci0")
	m.Release("hci0", "holder")
	again.want(t, "hci0", nil)
	third.wantWaiting(t)
}

func TestTicketBetweenCalls(t *testing.T) { synctest.Test(t, testTicketBetweenCalls) }

// testTicketBetweenCalls grants a slot while no call waits for it.
func testTicketBetweenCalls(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.TryAllocate("hci0", "holder")
	early := m.Ticket("early", 0)
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	ask(dead, early, "hci0").want(t, "", context.Canceled)
	late := ask(t.Context(), m.Ticket("late", 0), "hci0")
	m.Release("hci0", "holder")
	late.wantWaiting(t)
	wantAllocations(t, m, "hci0", 1, 0, "early")
	select {
	case <-early.Ready():
	default:
		t.Error("a granted ticket is not ready")
	}
	ask(dead, early, "hci0").want(t, "hci0", nil) // a result is worth more than a dead context

	m.Release("hci0", "early")
	late.want(t, "hci0", nil)
	ask(dead, early, "hci0").want(t, "", context.Canceled)
	m.Release("hci0", "late")
	wantAllocations(t, m, "hci0", 1, 0, "early")
	early.Close() // nobody has taken it
	wantAllocations(t, m, "hci0", 1, 1)
	ask(t.Context(), early, "hci0").want(t, "", slots.ErrClosed)
	early.Close()
}

func TestTicketCloseKeepsATakenSlot(t *testing.T) { synctest.Test(t, testTicketCloseKeepsATakenSlot) }

func testTicketCloseKeepsATakenSlot(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	one, two := m.Ticket("a", 0), m.Ticket("a", 0)
	ask(t.Context(), one, "hci0").want(t, "hci0", nil)
	two.SetAdapters("hci0") // shares it, and takes nothing
	two.Close()
	one.Close()
	wantAllocations(t, m, "hci0", 1, 0, "a")
	m.Connected("hci0", "a", 1)
	wantAllocations(t, m, "hci0", 1, 0, "a")
}

// TestTicketsShare checks that the tickets of one address share one slot, and that
// the last one to close gives it back if no call has taken it.
func TestTicketsShare(t *testing.T) { synctest.Test(t, testTicketsShare) }

func testTicketsShare(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.TryAllocate("hci0", "holder")
	one, two := m.Ticket("a", 0), m.Ticket("a", 9)
	one.SetAdapters("hci0")
	two.SetAdapters("hci0")
	m.Release("hci0", "holder")
	wantAllocations(t, m, "hci0", 1, 0, "a")
	two.Close()
	wantAllocations(t, m, "hci0", 1, 0, "a")
	ask(t.Context(), one, "hci0").want(t, "hci0", nil)
	if got := m.Diagnostics().Adapters[0].Held[0].Priority; got != 9 {
		t.Errorf("the slot has priority %d, want 9", got)
	}
	m.Release("hci0", "a")
	one.SetAdapters("hci0")
	one.Close()
	wantAllocations(t, m, "hci0", 1, 1)
}

func TestSetAdapters(t *testing.T) { synctest.Test(t, testSetAdapters) }

func testSetAdapters(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.TryAllocate("hci0", "holder")
	early := m.Ticket("early", 0)
	defer early.Close()
	waits := ask(t.Context(), early, "hci0")
	late := ask(t.Context(), m.Ticket("late", 0), "hci1")
	early.SetAdapters("hci1", "hci0")
	waits.wantWaiting(t)
	late.wantWaiting(t)
	m.Register("hci1", 1) // comes up while both wait
	waits.want(t, "hci1", nil)
	late.wantWaiting(t)

	// A slot that Acquire has not returned goes back if its adapter is left out.
	m.Release("hci1", "early")
	late.want(t, "hci1", nil)
	early.SetAdapters("hci1", "hci0")
	m.Release("hci0", "holder")
	wantAllocations(t, m, "hci0", 1, 0, "early")
	early.SetAdapters("hci0", "hci1")
	wantAllocations(t, m, "hci0", 1, 0, "early") // still among them
	early.SetAdapters("hci1")
	wantAllocations(t, m, "hci0", 1, 1)
	m.Release("hci1", "late")
	wantAllocations(t, m, "hci1", 1, 0, "early")
	early.SetAdapters()
	wantAllocations(t, m, "hci1", 1, 1)
}

func TestTicketOutlivesAdapters(t *testing.T) { synctest.Test(t, testTicketOutlivesAdapters) }

// testTicketOutlivesAdapters takes the adapter away from a ticket that waits, and
// from one that has been granted a slot there.
func testTicketOutlivesAdapters(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	early, late := m.Ticket("early", 0), m.Ticket("late", 0)
	defer early.Close()
	defer late.Close()
	second := ask(t.Context(), late, "hci0")
	early.SetAdapters("hci0")
	m.Register("hci0", 1)
	wantAllocations(t, m, "hci0", 1, 0, "early")
	m.Remove("hci0")
	second.wantWaiting(t)
	m.Register("hci0", 1)
	wantAllocations(t, m, "hci0", 1, 0, "early") // is in its place again
	ask(t.Context(), early, "hci0").want(t, "hci0", nil)
	second.wantWaiting(t)
	m.Close()
	second.want(t, "", slots.ErrClosed)
	ask(t.Context(), early, "hci0").want(t, "", slots.ErrClosed)
}

func TestSetPriority(t *testing.T) { synctest.Test(t, testSetPriority) }

// testSetPriority moves a ticket that waits, and changes the priority of the slot of one
// that does not wait any more, and of a link.
func testSetPriority(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.TryAllocate("hci0", "holder")
	last, high := m.Ticket("last", 0), m.Ticket("one", 20)
	one := ask(t.Context(), high, "hci0")
	two := ask(t.Context(), m.Ticket("two", 0), "hci0")
	three := ask(t.Context(), last, "hci0")
	high.SetPriority(5)
	last.SetPriority(10)
	m.Release("hci0", "holder")
	three.want(t, "hci0", nil)
	one.wantWaiting(t)
	m.Connected("hci0", "last", 1)
	wantBelow := func(below int, want ...string) {
		t.Helper()
		if got := m.Idlest("hci0", below); !slices.Equal(got, want) {
			t.Errorf("%v may be ended for the sake of priority %d, want %v", got, below, want)
		}
	}
	last.SetPriority(11)
	wantBelow(11)
	last.SetPriority(3)
	wantBelow(4, "last")
	wantBelow(3)
	last.Close()
	last.SetPriority(12) // its slot is no longer the ticket's
	wantBelow(4, "last")
	m.SetPriority("hci0", "last", 7)
	wantBelow(7)
	m.SetPriority("hci0", "last", 2)
	wantBelow(3, "last")
	m.SetPriority("hci0", "nobody", 2)
	m.SetPriority("hci9", "last", 2)
	m.Disconnected("hci0", "last", 1)
	one.want(t, "hci0", nil)
	m.Release("hci0", "one")
	two.want(t, "hci0", nil)
}

func TestAwaitRelease(t *testing.T) { synctest.Test(t, testAwaitRelease) }

// testAwaitRelease lets tickets wait for the end of a link, although there is room. They
// then get slots in their order.
func testAwaitRelease(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 2)
	m.Register("hci1", 2)
	m.Connected("hci0", "linked", 1)
	tickets := map[string]*slots.Ticket{}
	for _, name := range []string{"first", "second", "moved", "gone", "third"} {
		tickets[name] = m.Ticket(name, 0)
	}
	wantGranted := func(why string, want ...string) {
		t.Helper()
		var got []string
		for name, tk := range tickets {
			if tk.Granted() {
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: slots are granted to %v, want %v", why, got, want)
		}
	}
	for _, name := range []string{"second", "first", "moved", "gone"} {
		tickets[name].AwaitRelease("hci0")
	}
	wantGranted("with room on hci0")
	m.TryAllocate("hci0", "dialed")
	m.Release("hci0", "dialed") // no link
	wantGranted("after a dial that was given up")
	tickets["moved"].SetAdapters("hci1")
	tickets["gone"].Close()
	wantGranted("asked for another adapter", "moved")
	m.TryAllocate("hci0", "dialed")
	tickets["third"].SetAdapters("hci0")
	wantGranted("in the queue of the full one", "moved")
	m.Disconnected("hci0", "linked", 1)
	wantGranted("after the end of the link", "first", "moved")
	m.Release("hci0", "dialed")
	wantGranted("one more", "first", "moved", "second")
	tickets["first"].Close()
	wantGranted("one more", "moved", "second", "third")
}

// TestAcquireIsATicket checks that Manager.Acquire uses the same queue, and fails
// once none of its adapters is registered.
func TestAcquireIsATicket(t *testing.T) { synctest.Test(t, testAcquireIsATicket) }

func testAcquireIsATicket(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.TryAllocate("hci0", "holder")
	early := m.Ticket("early", 0)
	once := acquire(t.Context(), m, 0, "once", "hci0")
	waits := ask(t.Context(), early, "hci0")
	m.Release("hci0", "holder")
	waits.want(t, "hci0", nil)
	once.wantWaiting(t)
	m.Remove("hci0")
	once.want(t, "", slots.ErrNoAdapter)
	if _, err := m.Acquire(t.Context(), &slots.Request{Address: "x"}); !errors.Is(err, slots.ErrNoAdapter) {
		t.Errorf("no adapter at all: got %v", err)
	}
}
