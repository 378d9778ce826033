package att

// Waiting returns the number of queued requests. Must run on the loop.
func (b *Bearer) Waiting() int { return b.requests.waiting.n }
