package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestKeepsTheNewest(t *testing.T) {
	r := New[int](10)
	for i := range 25 {
		r.Push(i)
	}
	if r.Dropped() != 15 {
		t.Errorf("dropped %d, want 15", r.Dropped())
	}
	for want := 15; want < 25; want++ {
		if v, err := r.Next(t.Context()); v != want || err != nil {
			t.Fatalf("got %d, %v; want %d", v, err, want)
		}
	}
}

func TestOrderAcrossGrowth(t *testing.T) {
	r := New[int](1000)
	next := 0
	for i := range 300 {
		r.Push(i)
		if i%3 == 0 {
			if v, _ := r.Next(t.Context()); v != next {
				t.Fatalf("got %d, want %d", v, next)
			}
			next++
		}
	}
	for ; next < 300; next++ {
		if v, _ := r.Next(t.Context()); v != next {
			t.Fatalf("got %d, want %d", v, next)
		}
	}
}

func TestCloseGivesWhatIsLeftThenTheError(t *testing.T) {
	end := errors.New("end")
	r := New[string](4)
	r.Push("a")
	r.Close(end)
	r.Close(errors.New("second"))
	r.Push("b")
	if v, err := r.Next(t.Context()); v != "a" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	for range 2 {
		if _, err := r.Next(t.Context()); err != end {
			t.Errorf("got %v, want %v", err, end)
		}
	}
}

func TestNextWaits(t *testing.T) { synctest.Test(t, testNextWaits) }

func testNextWaits(t *testing.T) {
	r := New[int](4)
	got := make(chan int)
	go func() {
		v, _ := r.Next(t.Context())
		got <- v
	}()
	synctest.Wait()
	r.Push(7)
	if v := <-got; v != 7 {
		t.Errorf("got %d", v)
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := r.Next(ctx); err != gone {
		t.Errorf("got %v, want the cause", err)
	}
	r.Push(8)
	if v, err := r.Next(ctx); v != 8 || err != nil {
		t.Errorf("a value must win over an ended context: %d, %v", v, err)
	}
}
