// Package flood bounds the answers that wait for a peer that does not take them.
//
// A peer that sends requests without acknowledging anything would fill the
// host's memory with answers. Each protocol therefore counts the requests that
// arrive while its channel has no room, and answers only the first few of them.
package flood

// Limit is the number of requests that are admitted in a row while the channel
// has no room. A peer that waits for each answer has at most one request
// outstanding; the rest allows for links that other channels keep full.
const Limit = 16

// Counter counts the requests of one peer on one channel. The zero value is
// ready to use. A Counter must not be used by two goroutines at the same time.
type Counter struct {
	n int // admitted since the channel had room
}

// Admit counts a request and reports whether it may be answered. room tells
// whether the channel has room for an answer; if so, the count starts again.
func (c *Counter) Admit(room bool) bool {
	switch {
	case room:
		c.n = 0
	case c.n == Limit:
		return false
	default:
		c.n++
	}
	return true
}
