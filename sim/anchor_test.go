package sim

import (
	"testing"
	"time"
)

// TestAnchorsAreSpread has a central with eight links, however they came.
func TestAnchorsAreSpread(t *testing.T) {
	bubble(t, &Config{Seed: 5}, func(t *testing.T, a *Air) {
		const links = 8
		h := newHost(t, a.NewController(nil)).up()
		for range links {
			p := a.NewRawPeer(&RawPeerConfig{Interval: 20 * time.Millisecond})
			h.connect(p)
		}
		a.runAndWait(func() {
			if len(a.links) != links {
				t.Errorf("%d links, want %d", len(a.links), links)
			}
			for _, l := range a.links {
				for _, m := range a.links {
					gap := l.base.since(m.base) % l.interval
					gap = (gap + l.interval) % l.interval
					if m != l && gap < l.interval/links-time.Microsecond {
						t.Errorf("the anchors of links %d and %d are %v apart, want at least an eighth of %v", l.id, m.id, gap, l.interval)
					}
				}
			}
		})
	})
}
