package slots_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/slots"
)

// acquire calls Manager.Acquire on a goroutine and waits until it blocks or returns.
func acquire(ctx context.Context, m *slots.Manager, priority int, address string, adapters ...string) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.adapter, c.err = m.Acquire(ctx, &slots.Request{Adapters: adapters, Address: address, Priority: priority})
	}()
	synctest.Wait()
	return c
}

type call struct {
	done    chan struct{}
	adapter string
	err     error
}

// wantWaiting checks that the call has not returned.
func (c *call) wantWaiting(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case <-c.done:
		t.Fatalf("got %q, %v; want it to wait", c.adapter, c.err)
	default:
	}
}

// want checks that the call has returned.
func (c *call) want(t *testing.T, adapter string, err error) {
	t.Helper()
	synctest.Wait()
	select {
	case <-c.done:
	default:
		t.Fatalf("still waits, want %q, %v", adapter, err)
	}
	if c.adapter != adapter || !errors.Is(c.err, err) {
		t.Errorf("got %q, %v; want %q, %v", c.adapter, c.err, adapter, err)
	}
}

func TestQueue(t *testing.T) { synctest.Test(t, testQueue) }

func testQueue(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	ctx := t.Context()
	first := acquire(ctx, m, 0, "first", "hci0")
	first.want(t, "hci0", nil)
	second := acquire(ctx, m, 0, "second", "hci0")
	third := acquire(ctx, m, 0, "third", "hci0")
	urgent := acquire(ctx, m, 1, "urgent", "hci0")
	second.wantWaiting(t)
	urgent.wantWaiting(t)
	if m.TryAllocate("hci0", "sneak") {
		t.Error("TryAllocate overtook the queue")
	}
	again := acquire(ctx, m, 0, "first", "hci0")
	again.want(t, "hci0", nil) // has its slot already
	if got := m.Diagnostics().Waiting; len(got) != 3 || got[0].Address != "urgent" || got[1].Address != "second" || got[2].Address != "third" {
		t.Errorf("queue is %+v", got)
	}

	m.Release("hci0", "first")
	urgent.want(t, "hci0", nil) // the higher priority
	second.wantWaiting(t)
	m.Connected("hci0", "urgent", 1)
	second.wantWaiting(t)
	m.Disconnected("hci0", "urgent", 1)
	second.want(t, "hci0", nil) // then in order
	third.wantWaiting(t)
	m.Register("hci0", 2, slots.Link{Address: "second"})
	third.want(t, "hci0", nil) // more room
}

func TestSeveralAdapters(t *testing.T) { synctest.Test(t, testSeveralAdapters) }

func testSeveralAdapters(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.Register("hci1", 1)
	ctx := t.Context()
	acquire(ctx, m, 0, "one", "hci1", "hci0").want(t, "hci1", nil) // as preferred
	acquire(ctx, m, 0, "two", "hci1", "hci0").want(t, "hci0", nil)
	only1 := acquire(ctx, m, 0, "three", "hci1")
	either := acquire(ctx, m, 0, "four", "hci1", "hci0")
	m.Release("hci0", "two")
	either.want(t, "hci0", nil) // a ticket for another adapter does not block it
	only1.wantWaiting(t)
	m.Remove("hci1")
	only1.want(t, "", slots.ErrNoAdapter)
	acquire(ctx, m, 0, "five", "hci1", "hci7").want(t, "", slots.ErrNoAdapter)
	last := acquire(ctx, m, 0, "six", "hci0")
	m.Close()
	last.want(t, "", slots.ErrClosed)
	acquire(ctx, m, 0, "six", "hci0").want(t, "", slots.ErrClosed)
}

func TestAcquireContext(t *testing.T) { synctest.Test(t, testAcquireContext) }

func testAcquireContext(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)
	m.TryAllocate("hci0", "holder")
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := m.Acquire(ctx, &slots.Request{Adapters: []string{"hci0"}, Address: "late"})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	cause := errors.New("user pressed a key")
	ctx2, cancel2 := context.WithCancelCause(t.Context())
	gone := acquire(ctx2, m, 9, "gone", "hci0")
	next := acquire(t.Context(), m, 0, "next", "hci0")
	cancel2(cause)
	gone.want(t, "", cause)
	m.Release("hci0", "holder")
	next.want(t, "hci0", nil) // canceled calls have kept nothing
	wantAllocations(t, m, "hci0", 1, 0, "next")
}

// TestAcquireRace cancels and grants at the same time: afterwards the caller has the
// slot, or it is free.
func TestAcquireRace(t *testing.T) {
	m := slots.New(nil)
	m.Register("hci0", 1)
	for i := range 500 {
		m.TryAllocate("hci0", "holder")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := m.Acquire(ctx, &slots.Request{Adapters: []string{"hci0"}, Address: "x"}); err == nil {
				if !m.Release("hci0", "x") {
					t.Errorf("round %d: the granted slot does not exist", i)
				}
			}
		})
		wg.Go(func() { m.Release("hci0", "holder") })
		wg.Go(cancel)
		wg.Wait()
		wantAllocations(t, m, "hci0", 1, 1)
	}
}

func TestReconcile(t *testing.T) { synctest.Test(t, testReconcile) }

func testReconcile(t *testing.T) {
	m := slots.New(&slots.Config{ReservationTimeout: time.Minute})
	defer m.Close()
	m.Register("hci0", 3, slots.Link{Address: "lost end", Handle: 1}, slots.Link{Address: "up", Handle: 2})
	m.TryAllocate("hci0", "dialing")
	waiting := acquire(t.Context(), m, 0, "waiting", "hci0")
	waiting.wantWaiting(t)
	m.Reconcile("hci0", []slots.Link{{Address: "up", Handle: 2}})
	waiting.want(t, "hci0", nil)
	wantAllocations(t, m, "hci0", 3, 0, "up", "dialing", "waiting")
	m.Reconcile("hci0", []slots.Link{{Address: "up", Handle: 2}, {Address: "lost start", Handle: 3}})
	wantAllocations(t, m, "hci0", 3, 0, "up", "dialing", "waiting", "lost start")
	time.Sleep(time.Minute)
	m.Reconcile("hci0", nil)
	wantAllocations(t, m, "hci0", 3, 3)
}

func TestIdlest(t *testing.T) { synctest.Test(t, testIdlest) }

func testIdlest(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 5)
	for i, address := range []string{"a", "b", "important"} {
		acquire(t.Context(), m, i, address, "hci0").want(t, "hci0", nil)
		time.Sleep(time.Second)
		m.Connected("hci0", address, uint16(i))
	}
	m.TryAllocate("hci0", "dialing")
	wantIdlest := func(name string, below int, want ...string) {
		t.Helper()
		if got := m.Idlest(name, below); !slices.Equal(got, want) {
			t.Errorf("%s below %d: got %q, want %q", name, below, got, want)
		}
	}
	wantIdlest("hci0", 0)
	wantIdlest("hci0", 1, "a")
	wantIdlest("hci0", 9, "a", "b", "important")
	time.Sleep(time.Second)
	m.Touch("hci0", "a")
	wantIdlest("hci0", 9, "b", "important", "a")
	wantIdlest("hci0", 1, "a")
	wantIdlest("hci9", 9)
}

func TestSlowSubscriber(t *testing.T) { synctest.Test(t, testSlowSubscriber) }

func testSlowSubscriber(t *testing.T) {
	m := slots.New(&slots.Config{EventQueue: 2})
	defer m.Close()
	var got []string
	open := make(chan struct{})
	m.Subscribe(func(e slots.Event) {
		<-open
		m.Allocations("hci0") // may call in
		got = append(got, fmt.Sprintf("%s dropped %d", e.Address, e.Dropped))
	})
	m.Register("hci0", 9)
	m.TryAllocate("hci0", "0")
	synctest.Wait()
	for i := range 5 {
		m.TryAllocate("hci0", fmt.Sprint(i+1)) // none of these waits
	}
	close(open)
	synctest.Wait()
	if diff := cmp.Diff([]string{"0 dropped 0", "4 dropped 3", "5 dropped 0"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestPanickingSubscriber(t *testing.T) { synctest.Test(t, testPanickingSubscriber) }

func testPanickingSubscriber(t *testing.T) {
	var log strings.Builder
	m := slots.New(&slots.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	calls := 0
	cancel := m.Subscribe(func(slots.Event) { calls++; panic("mine") })
	m.Register("hci0", 9)
	m.TryAllocate("hci0", "a")
	m.TryAllocate("hci0", "b")
	synctest.Wait()
	if calls != 2 || strings.Count(log.String(), "panic=mine") != 2 {
		t.Errorf("%d calls, log:\n%s", calls, log.String())
	}
	cancel()
	m.TryAllocate("hci0", "c")
	m.Close()
	m.Close()
	m.Subscribe(func(slots.Event) { calls++ })()
	synctest.Wait()
	if calls != 2 {
		t.Errorf("%d calls after the end of the subscription", calls)
	}
}

// TestChangeString checks that an unknown change prints as a number.
func TestChangeString(t *testing.T) {
	if got := fmt.Sprint(slots.Allocated, slots.Released, slots.Change(9)); got != "allocated released change 0x09" {
		t.Error(got)
	}
}
