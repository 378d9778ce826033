package sim

// ring is a queue that reuses its storage. The zero ring is empty.
type ring[T any] struct {
	items []T
	head  int
	n     int
}

func (r *ring[T]) len() int { return r.n }

func (r *ring[T]) push(v T) {
	if r.n == len(r.items) {
		grown := make([]T, max(8, 2*len(r.items)))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.items, r.head = grown, 0
	}
	r.items[(r.head+r.n)%len(r.items)] = v
	r.n++
}

// at returns the i-th item from the front, which must exist.
func (r *ring[T]) at(i int) *T { return &r.items[(r.head+i)%len(r.items)] }

// pop takes the first item, which must exist.
func (r *ring[T]) pop() T {
	var zero T
	p := r.at(0)
	v := *p
	*p = zero
	r.head = (r.head + 1) % len(r.items)
	r.n--
	return v
}
