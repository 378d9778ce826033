package simreport

import (
	"math"
	"slices"
	"time"
)

// never is the time to ready of targets that did not become ready.
const never = time.Duration(math.MaxInt64)

// figures are the results of one contender in one scenario.
type figures struct {
	Success     float64       // of the targets, 0 to 1
	Median, P99 time.Duration // to ready, of all targets; never if that many failed
	Radio       time.Duration // for each target that became ready; never if none did
}

// summarize returns the figures of many worlds.
func summarize(all []outcome) figures {
	var times []time.Duration
	var radio time.Duration
	ready := 0
	for _, o := range all {
		radio += o.Radio
		for _, d := range o.Ready {
			if d == 0 {
				d = never
			} else {
				ready++
			}
			times = append(times, d)
		}
	}
	slices.Sort(times)
	r := figures{Success: float64(ready) / float64(len(times)), Median: quantile(times, 0.5), P99: quantile(times, 0.99), Radio: never}
	if ready > 0 {
		r.Radio = radio / time.Duration(ready)
	}
	return r
}

// quantile is the nearest-rank quantile of sorted times.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(math.Ceil(q*float64(len(sorted))))-1]
}

// comparison is a scenario with the figures of both contenders.
type comparison struct {
	scenario
	Worlds         int
	Ours, Upstream figures
}

// figure is one figure of the report.
type figure struct {
	Name    string
	Of      func(r figures) float64 // in percent or seconds; +Inf for never
	Percent bool                    // more is better; otherwise seconds, and less is better
}

// allFigures returns the figures of the report.
func allFigures() []figure {
	return []figure{
		{"success", func(r figures) float64 { return 100 * r.Success }, true},
		{"median", func(r figures) float64 { return seconds(r.Median) }, false},
		{"99 %", func(r figures) float64 { return seconds(r.P99) }, false},
		{"radio", func(r figures) float64 { return seconds(r.Radio) }, false},
	}
}

func seconds(d time.Duration) float64 {
	if d == never {
		return math.Inf(1)
	}
	return d.Seconds()
}

// compareTo returns 1 where ours is better, -1 where upstream is, 0 where the
// figures are the same.
func (c figure) compareTo(r comparison) int {
	ours, theirs := c.Of(r.Ours), c.Of(r.Upstream)
	switch {
	case ours == theirs:
		return 0
	case (ours > theirs) == c.Percent:
		return 1
	}
	return -1
}
