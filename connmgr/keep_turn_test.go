package connmgr

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A wait without work, or whose work is given up, ends at once, and is no turn to
// establish: new work waits for the rest of it.
func TestAwaitTurn(t *testing.T) { synctest.Test(t, testAwaitTurn) }

func testAwaitTurn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := &Kept{
		m: &Manager{duty: newDuty()}, ctx: ctx, opts: KeepOptions{Idle: time.Second},
		poke: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	begin := time.Now()
	p := &pace{until: begin.Add(time.Minute)}
	want := func(turn bool, at time.Duration) {
		t.Helper()
		if got := k.awaitTurn(p); got != turn || time.Since(begin) != at {
			t.Errorf("turn %t after %v, want %t after %v", got, time.Since(begin), turn, at)
		}
	}
	work := func() (end func()) {
		dead, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = k.Do(dead, func(*Client) error { return nil })
		}()
		synctest.Wait()
		return func() { cancel(); <-done }
	}
	want(false, 0) // no work
	end := work()
	time.AfterFunc(10*time.Second, end)
	want(false, 10*time.Second) // given up
	end = work()
	want(true, time.Minute)
	want(true, time.Minute) // nothing to wait for
	end()
	p.until = begin.Add(time.Hour)
	end = work()
	time.AfterFunc(time.Minute, cancel)
	want(false, 2*time.Minute) // the end of the Keep
	end()
}
