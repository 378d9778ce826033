package controller

import "time"

// load measures the part of the time in which the air carries packets of this host.
type load struct {
	part  float64
	since time.Duration
	sent  time.Duration // since then
}

const (
	loadMemory = 500 * time.Millisecond
	leastLoad  = 0.05
	fullLoad   = 0.7 // from here on, buffers are not what is missing
)

// noteTurn records that a turn begins at start.
func (d *load) noteTurn(start time.Duration) {
	span := start - d.since
	if span <= 0 {
		return
	}
	k := min(1, span.Seconds()/loadMemory.Seconds())
	d.part += k * (d.sent.Seconds()/span.Seconds() - d.part)
	d.part = min(max(d.part, leastLoad), 1)
	d.sent, d.since = 0, start
}

// cost weighs the time for which the air would be idle. Where the air is idle for want of
// buffers, a little more of it costs less.
func (d *load) cost(idle time.Duration) time.Duration {
	if d.part > fullLoad {
		return idle
	}
	return time.Duration(float64(idle) * d.part)
}
