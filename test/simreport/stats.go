package simreport

import (
	"math"
	"slices"
	"time"
)

// never is the time to ready of targets that did not become ready.
const never = time.Duration(math.MaxInt64)

// way is a contender of the report.
type way int

const (
	ours    way = iota
	alone       // bleak-retry-connector alone
	withHab     // with habluetooth
)

// allWays returns the contenders, in the order of the columns.
func allWays() []way { return []way{ours, alone, withHab} }

// shortName heads a column.
func (w way) shortName() string { return [...]string{"moor", "brc", "hab"}[w] }

// name is the name in a sentence.
func (w way) name() string {
	return [...]string{"moor", "bleak-retry-connector alone", "upstream with habluetooth"}[w]
}

func (w way) newContender() contender {
	switch w {
	case alone:
		return &upstreamContender{}
	case withHab:
		return &habContender{}
	default:
		return &moorContender{}
	}
}

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

// comparison is a scenario with the figures of all contenders.
type comparison struct {
	scenario
	By [3]figures // by way
}

// figure is one figure of the report.
type figure struct {
	Name    string
	Of      func(r figures) float64 // in percent or seconds; +Inf for never
	Percent bool                    // more is better; otherwise seconds, and less is better
	Time    bool                    // to ready
}

// allFigures returns the figures of the report.
func allFigures() []figure {
	return []figure{
		{"success", func(r figures) float64 { return 100 * r.Success }, true, false},
		{"median", func(r figures) float64 { return seconds(r.Median) }, false, true},
		{"99 %", func(r figures) float64 { return seconds(r.P99) }, false, true},
		{"radio", func(r figures) float64 { return seconds(r.Radio) }, false, false},
	}
}

func seconds(d time.Duration) float64 {
	if d == never {
		return math.Inf(1)
	}
	return d.Seconds()
}

// A time to ready counts as worse if it is longer by more than both of these.
const (
	slackShare = 0.05
	slackTime  = 50 * time.Millisecond
)

// restWait is the longest wait of the policy between two attempts, by which a device that
// rests may be late.
const restWait = 4 * time.Second

// compareTo returns 1 where moor's figure is better than that of an upstream, -1 where it
// is worse, 0 where they are the same. A time is the same within the slack; so is any
// figure that reads the same.
func (c figure) compareTo(r comparison, w way) int {
	mine, theirs := c.Of(r.By[ours]), c.Of(r.By[w])
	slack := 0.0
	if c.Time && !math.IsInf(theirs, 1) {
		slack = max(theirs*slackShare, slackTime.Seconds())
		if r.Rests {
			slack = max(slack, restWait.Seconds())
		}
	}
	switch {
	case c.text(r.By[ours]) == c.text(r.By[w]):
		return 0
	case c.Percent && mine > theirs, !c.Percent && mine < theirs-slack:
		return 1
	case c.Percent && mine < theirs, !c.Percent && mine > theirs+slack:
		return -1
	}
	return 0
}
