package att

import "time"

// MTU returns the longest PDU that may be sent, in octets: 23 until either side
// has exchanged the MTU. It never shrinks. Any goroutine may call it.
func (b *Bearer) MTU() int {
	if b.enhanced != nil {
		return min(b.enhanced.MTU(), MaxMTU)
	}
	return int(b.mtu.Load())
}

// LeastMTU returns the smallest MTU that the peer may go by, in octets. It is
// below MTU if both sides have asked and the two exchanges had different
// results, or if an enhanced bearer has a smaller one: a value in an answer may be
// cut off at either length. Any goroutine may call it.
func (b *Bearer) LeastMTU() int {
	least := int(b.least.Load())
	if e := int(b.leastEnhanced.Load()); e > 0 {
		return min(least, e)
	}
	return least
}

// Outstanding returns when the request was sent that the peer has not answered
// yet, the oldest one of all bearers; ok is false if there is none. Any goroutine
// may call it.
func (b *Bearer) Outstanding() (since time.Time, ok bool) {
	ns := b.requests.sent.Load()
	for _, e := range b.others() {
		if n := e.requests.sent.Load(); n > 0 && (ns <= 0 || n < ns) {
			ns = n
		}
	}
	return time.Unix(0, ns), ns > 0
}

// IdleSince returns when the last request was answered on any bearer; the zero time
// if there was none. ok is false while a request is outstanding. Any goroutine may
// call it.
func (b *Bearer) IdleSince() (since time.Time, ok bool) {
	ns := b.requests.sent.Load()
	for _, e := range b.others() {
		if n := e.requests.sent.Load(); n > 0 || ns <= 0 && n < ns {
			ns = n
		}
	}
	if ns == 0 {
		return since, true
	}
	return time.Unix(0, -ns), ns < 0
}

// Unasked returns when the peer has last sent a notification or an indication; the
// zero time if it has sent none. Any goroutine may call it.
func (b *Bearer) Unasked() time.Time {
	if ns := b.unasked.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Heard returns a channel that is closed with the next PDU of the peer, whichever it
// is. Any goroutine may call it.
func (b *Bearer) Heard() <-chan struct{} {
	ch := make(chan struct{})
	for !b.next.CompareAndSwap(nil, &ch) {
		if p := b.next.Load(); p != nil {
			return *p
		}
	}
	return ch
}

// noteHeard closes the channel of Heard.
func (b *Bearer) noteHeard() {
	if b = b.root(); b.next.Load() != nil {
		close(*b.next.Swap(nil))
	}
}
