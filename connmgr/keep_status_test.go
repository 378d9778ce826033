package connmgr_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
)

// The error of a failure holds the one before it without its Explanation: a Keep that
// fails for days does not fill the memory.
func TestKeepErrorsHoldNoEarlierOnes(t *testing.T) { inBubble(t, testKeepErrorsHoldNoEarlierOnes) }

func testKeepErrorsHoldNoEarlierOnes(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	k := l.keep(1, nil)
	time.Sleep(8 * time.Hour)
	s := k.Status()
	if s.Failures != 207 {
		t.Errorf("%d failures, want 207", s.Failures)
	}
	last, ok := errors.AsType[*connmgr.EstablishError](s.Err)
	if !ok || last.Explanation == nil || len(last.Explanation.Kept) != 1 {
		t.Fatalf("the last error is %#v, want an Explanation with one Keep", s.Err)
	}
	before := last.Explanation.Kept[0]
	e, ok := errors.AsType[*connmgr.EstablishError](before.Err)
	if !ok || e.Explanation != nil || len(e.Attempts) != len(last.Attempts) || !errors.Is(before.Err, connmgr.ErrNotFound) {
		t.Errorf("the error before is %#v, want a whole one but for its Explanation", before.Err)
	}
	if before.Failures != s.Failures-1 {
		t.Errorf("%d failures in the Explanation, want %d", before.Failures, s.Failures-1)
	}
	x, err := l.m.Explain(address(1).String())
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*connmgr.EstablishError](x.Kept[0].Err); !ok || e.Explanation != nil {
		t.Errorf("Explain has the error %#v, want one without an Explanation", x.Kept[0].Err)
	}
	if last.Explanation == nil || k.Status().Err != error(last) {
		t.Error("Explain has changed the error of the status")
	}
}

// Watch tells the number of subscriptions whenever it changes.
func TestKeepWatchTellsSubscriptions(t *testing.T) { inBubble(t, testKeepWatchTellsSubscriptions) }

func testKeepWatchTellsSubscriptions(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	k := l.keep(1, &connmgr.KeepOptions{Idle: second})
	ctx, cancel := context.WithTimeout(t.Context(), second)
	defer cancel()
	statuses := k.Watch(ctx)
	a := k.Subscribe(battery, level, nil)
	k.Subscribe(battery, level, nil)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	var got []int
	for s := range statuses {
		got = append(got, s.Subscriptions)
	}
	if want := []int{0, 1, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("numbers of subscriptions %v, want %v", got, want)
	}
}
