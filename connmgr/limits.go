package connmgr

import "context"

// A controller has one initiator and one radio. Dials wait in the initiator without a
// cost to each other, so that by default their number is not limited: a limit would let
// devices that are away hold back those that are there. Discoveries share the time of
// the radio: each of them asks for a connection event every 7.5 ms.

// defaultDiscoveries is the default of Config.MaxDiscoveries. On simulated air, 15 devices
// at once are ready as fast with 8 as without a limit; with 4, the mean is 6 % longer, and
// with 1 it is 2.5 times as long. A device that is slow to answer holds one of 8 places.
const defaultDiscoveries = 8

func (c *Config) maxDiscoveries() int {
	if c.MaxDiscoveries == 0 {
		return defaultDiscoveries
	}
	return max(c.MaxDiscoveries, 0)
}

// limit bounds how many users there are at a time. Those that wait are served in their
// order. A nil limit admits all.
type limit chan struct{}

// newLimit returns a limit of n users; nil if n is not positive.
func newLimit(n int) limit {
	if n <= 0 {
		return nil
	}
	return make(limit, n)
}

// enter waits until there is room. The caller must call leave in the end, unless the
// error is not nil: that is the end of ctx.
func (l limit) enter(ctx context.Context) error {
	if l == nil {
		return nil
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l limit) leave() {
	if l != nil {
		<-l
	}
}
