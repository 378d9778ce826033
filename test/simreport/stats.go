package simreport

import (
	"math"
	"slices"
	"time"
)

// Never is the time to ready of targets that did not become ready.
const Never = time.Duration(math.MaxInt64)

// Row is the result of one way in one scenario.
type Row struct {
	Success     float64       // of the targets, 0 to 1
	Median, P99 time.Duration // to ready, over all targets; Never if so many failed
	Radio       time.Duration // per target that became ready; Never if none did
}

// Summarize returns the row of many worlds.
func Summarize(all []Outcome) Row {
	var times []time.Duration
	var radio time.Duration
	ready := 0
	for _, o := range all {
		radio += o.Radio
		for _, d := range o.Ready {
			if d == 0 {
				d = Never
			} else {
				ready++
			}
			times = append(times, d)
		}
	}
	slices.Sort(times)
	r := Row{Success: float64(ready) / float64(len(times)), Median: quantile(times, 0.5), P99: quantile(times, 0.99), Radio: Never}
	if ready > 0 {
		r.Radio = radio / time.Duration(ready)
	}
	return r
}

// quantile returns the nearest-rank quantile of sorted times.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(math.Ceil(q*float64(len(sorted))))-1]
}

// Result is a scenario with the rows of both ways.
type Result struct {
	Scenario
	Worlds         int
	Ours, Upstream Row
}

// Column is a figure of the report.
type Column struct {
	Name    string
	Of      func(r Row) float64 // in percent or seconds; +Inf for Never
	Percent bool                // more is better; otherwise seconds: less is better
}

// Columns returns the figures of the report.
func Columns() []Column {
	return []Column{
		{"success", func(r Row) float64 { return 100 * r.Success }, true},
		{"median", func(r Row) float64 { return seconds(r.Median) }, false},
		{"99 %", func(r Row) float64 { return seconds(r.P99) }, false},
		{"radio", func(r Row) float64 { return seconds(r.Radio) }, false},
	}
}

func seconds(d time.Duration) float64 {
	if d == Never {
		return math.Inf(1)
	}
	return d.Seconds()
}

// Compare returns 1 if ours is better, -1 if upstream's is, and 0 if the figures are
// the same.
func (c Column) Compare(r Result) int {
	ours, theirs := c.Of(r.Ours), c.Of(r.Upstream)
	switch {
	case ours == theirs:
		return 0
	case (ours > theirs) == c.Percent:
		return 1
	}
	return -1
}
