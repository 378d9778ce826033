package slots

import "context"

// Request holds the arguments of Manager.Acquire.
type Request struct {
	// Adapters are the acceptable adapters, the best first.
	Adapters []string
	// Address is the address that the slot is for.
	Address string
	// Priority orders the queue: the highest first, equal ones by their arrival.
	// The slot keeps it, see Idlest.
	Priority int
}

// Acquire takes a slot with a ticket of its own: it waits until one of the
// adapters has a free slot for it, or the address has a slot on one already, and
// returns that adapter's name.
//
// The error is ErrNoAdapter if none of the adapters is registered, ErrClosed, or
// wraps the cause of ctx's end. Then nothing was taken.
func (m *Manager) Acquire(ctx context.Context, r *Request) (adapter string, err error) {
	t := m.Ticket(r.Address, r.Priority)
	t.strict = true
	defer t.Close()
	return t.Acquire(ctx, r.Adapters...)
}
