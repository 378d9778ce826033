package sim

import (
	"testing"
	"time"
)

// TestCollidingEventsTakeTurns has two links of one controller with events that begin 50 µs
// apart. One link has used the radio for a second longer. It has every fourth event all the
// same.
func TestCollidingEventsTakeTurns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		for range 2 {
			h.connect(a.NewRawPeer(&RawPeerConfig{Interval: 20 * time.Millisecond}))
		}
		time.Sleep(time.Second)
		var interval time.Duration
		a.runAndWait(func() {
			early, late := a.links[0], a.links[1]
			interval = early.interval
			late.base, late.baseCount = early.base.plus(50*time.Microsecond), early.baseCount
			late.service = early.service + int64(time.Second)
		})
		var events, before [2]int
		for range 40 {
			a.runAndWait(func() {
				for i, l := range a.links {
					l.c.queueData(txPacket{buf: make([]byte, 20), start: true, extra: true})
					before[i] = l.c.data.Len()
				}
			})
			time.Sleep(interval)
			a.runAndWait(func() {
				for i, l := range a.links {
					if l.c.data.Len() < before[i] {
						events[i]++
					}
				}
			})
		}
		if events != [2]int{30, 10} {
			t.Errorf("%v events of the two links, want three to one", events)
		}
	})
}
