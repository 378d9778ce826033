package controller

import (
	"container/heap"
	"time"
)

// timer calls f at a deadline. A timer with f set and all else zero is stopped.
type timer struct {
	at    time.Time
	index int // position in the heap plus one; 0 while stopped
	seq   uint64
	f     func(now time.Time)
}

// timers is a heap of the running timers of a core. Timers that are due at the same
// instant run in the order in which they were set.
type timers struct {
	heap timerHeap
	seq  uint64
}

// setTimer starts or moves t. The zero time stops it.
func (ts *timers) setTimer(t *timer, at time.Time) {
	if at.IsZero() {
		ts.stopTimer(t)
		return
	}
	ts.seq++
	t.at, t.seq = at, ts.seq
	if t.index == 0 {
		heap.Push(&ts.heap, t)
		return
	}
	heap.Fix(&ts.heap, t.index-1)
}

// stopTimer stops t.
func (ts *timers) stopTimer(t *timer) {
	if t.index != 0 {
		heap.Remove(&ts.heap, t.index-1)
	}
}

// nextDue returns the deadline of the earliest timer, zero if no timer runs.
func (ts *timers) nextDue() time.Time {
	if len(ts.heap) == 0 {
		return time.Time{}
	}
	return ts.heap[0].at
}

// runDue stops and runs all timers that are due at now.
func (ts *timers) runDue(now time.Time) {
	for len(ts.heap) > 0 && !ts.heap[0].at.After(now) {
		t := ts.heap[0]
		heap.Pop(&ts.heap)
		t.f(now)
	}
}

// timerHeap implements heap.Interface, ordered by deadline and then by seq.
type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	*h = append(*h, t)
	t.index = len(*h)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = 0
	return t
}
