package ring

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAgainstSlice applies the same random steps to a ring and to a slice, while
// the bound of their length grows from 1 to 64.
func TestAgainstSlice(t *testing.T) {
	var (
		r    Ring[int]
		want []int
		rnd  = rand.New(rand.NewPCG(1, 2))
	)
	for step := range 20_000 {
		if limit := 1 + step*64/20_000; len(want) < limit && (len(want) == 0 || rnd.IntN(2) == 0) {
			r.Push(step)
			want = append(want, step)
		} else {
			if v := r.Pop(); v != want[0] {
				t.Fatalf("step %d: Pop = %d, want %d", step, v, want[0])
			}
			want = want[1:]
		}
		got := make([]int, r.Len())
		for i := range got {
			got[i] = *r.At(i)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("step %d: the ring holds %v, want %v", step, got, want)
		}
	}
}

func TestAtChangesInPlace(t *testing.T) {
	var r Ring[int]
	r.Push(1)
	r.Push(2)
	*r.At(1) = 3
	if a, b := r.Pop(), r.Pop(); a != 1 || b != 3 {
		t.Errorf("Pop = %d and %d, want 1 and 3", a, b)
	}
}

// TestPopKeepsNoReference looks into the buffer: it must not keep removed values
// alive.
func TestPopKeepsNoReference(t *testing.T) {
	var r Ring[*int]
	for range 3 * firstCap {
		r.Push(new(int))
	}
	for range 3 * firstCap {
		r.Pop()
	}
	for i, p := range r.buf {
		if p != nil {
			t.Errorf("index %d still refers to a value", i)
		}
	}
}

func TestPanicsOutOfRange(t *testing.T) {
	var empty, two Ring[int]
	two.Push(1)
	two.Push(2)
	for name, f := range map[string]func(){
		"Pop of an empty ring":   func() { empty.Pop() },
		"At(0) of an empty ring": func() { empty.At(0) },
		"At(-1)":                 func() { two.At(-1) },
		"At(Len)":                func() { two.At(2) },
	} {
		if !panics(f) {
			t.Errorf("%s does not panic", name)
		}
	}
	if two.Len() != 2 {
		t.Errorf("after the panics Len = %d, want 2", two.Len())
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// TestAllocations fills a ring with 1000 values: the first time allocates once
// for each doubling, the second time not at all.
func TestAllocations(t *testing.T) {
	var r Ring[int]
	fill := func() {
		for i := range 1000 {
			r.Push(i)
		}
		for range 1000 {
			r.Pop()
		}
	}
	if n := testing.AllocsPerRun(1, func() { r = Ring[int]{}; fill() }); n != 8 {
		t.Errorf("from the zero value there are %v allocations, want 8: 8, 16, ... 1024", n)
	}
	if n := testing.AllocsPerRun(10, fill); n != 0 {
		t.Errorf("in the steady state there are %v allocations, want none", n)
	}
}

func BenchmarkPushPop(b *testing.B) {
	var r Ring[[]byte]
	r.Push(nil)
	for b.Loop() {
		r.Push(nil)
		r.Pop()
	}
}
