package att

// Waiting returns how many requests are queued. Called on the loop.
func (b *Bearer) Waiting() int { return b.requests.waiting.n }
