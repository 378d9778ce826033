// Package ring implements a FIFO queue in a growing ring buffer, for queues that
// lock themselves or that belong to one goroutine.
package ring

// firstCap is the capacity after the first Push. Capacities are powers of two,
// so that a mask wraps an index.
const firstCap = 8

// Ring is an unbounded FIFO queue: bounding it is its owner's task. Its buffer
// grows to the largest number of values that the queue has held and does not
// shrink; from then on Push and Pop do not allocate. The zero value is an empty
// queue. A Ring must not be used by two goroutines at the same time.
type Ring[T any] struct {
	buf  []T
	head int // index of the oldest value
	n    int
}

// Len returns the number of values.
func (r *Ring[T]) Len() int { return r.n }

// Push appends v behind the newest value.
func (r *Ring[T]) Push(v T) {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

func (r *Ring[T]) grow() {
	buf := make([]T, max(firstCap, 2*len(r.buf)))
	n := copy(buf, r.buf[r.head:])
	copy(buf[n:], r.buf[:r.head])
	r.buf, r.head = buf, 0
}

// At returns a pointer to the i-th value, counted from the oldest, which is
// value 0. The pointer is valid until the next Push or Pop. At panics unless
// 0 <= i < Len.
func (r *Ring[T]) At(i int) *T {
	if uint(i) >= uint(r.n) {
		panic("ring: index out of range")
	}
	return &r.buf[(r.head+i)&(len(r.buf)-1)]
}

// Pop removes and returns the oldest value, to which the ring then keeps no
// reference. Pop panics if the ring is empty.
func (r *Ring[T]) Pop() T {
	p := r.At(0)
	v := *p
	*p = *new(T) // a zero variable would be one copy more
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v
}
