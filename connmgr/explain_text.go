package connmgr

import (
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/slots"
)

// String returns the Explanation as lines of text, without a line feed at the end. The
// first line has the address, the name and the reason.
func (e *Explanation) String() string {
	var b strings.Builder
	if e.unsure {
		b.WriteString(e.Address.MAC.String())
	} else {
		b.WriteString(e.Address.String())
	}
	if e.Name != "" {
		fmt.Fprintf(&b, " (%s)", text.Clean(e.Name))
	}
	fmt.Fprintf(&b, ": %s", text.Clean(e.Reason))
	width := len("reached")
	for i := range e.Adapters {
		width = max(width, len(e.Adapters[i].Adapter))
	}
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "\n  %-*s  %s", width, key, text.Clean(text.DropPackages(fmt.Sprintf(format, args...))))
	}
	if e.Advice != "" {
		line("try", "%s", e.Advice)
	}
	for i := range e.Adapters {
		line(e.Adapters[i].Adapter, "%s", e.Adapters[i].describeAdapter(e.Time))
	}
	for i, w := range e.Waiting {
		line("queue", "%d. %s, for %s", i+1, w.Address, strings.Join(w.Adapters, " or "))
	}
	for i := 1; i < len(e.Calls); i++ { // Next has the first one
		line("also", "%s", e.Calls[i].describeCall(e.Time))
	}
	for i := range e.Kept {
		line("kept", "%s", e.Kept[i].describeKept(e.Time))
	}
	if f := e.Failure; f != nil {
		on := ""
		if f.Adapter != "" {
			on = " on " + f.Adapter
		}
		line("failed", "%s ago%s (%s): %s", shortTime(e.Time.Sub(f.Time)), on, f.Phase, f.Err)
	}
	if r := e.Reached; r != nil {
		line("reached", "%s ago on %s, within %s", shortTime(e.Time.Sub(r.Time)), r.Adapter, shortTime(r.Took))
	}
	for i := range e.Traits {
		line("trait", "%s", e.Traits[i].describeTrait(e.Time))
	}
	if t := e.Table; t != nil {
		line("table", "%s", t.describeTable(e.Time))
	}
	if p := e.Params; p != nil {
		line("params", "interval %v to %v, latency %d, supervision timeout %v, as the program has set", p.IntervalMin, p.IntervalMax, p.Latency, p.Timeout)
	}
	line("next", "%s", e.Next)
	return b.String()
}

// describeAdapter describes an adapter.
func (a *AdapterExplanation) describeAdapter(now time.Time) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if a.State != AdapterUp.String() {
		add("%s", strings.TrimPrefix(downText(a), a.Adapter+" "))
	}
	if a.Recovery != "" {
		add("%s", a.Recovery)
	}
	if a.Heard == nil {
		add("has not heard it")
	} else {
		signal := "unknown strength"
		if a.RSSI != nil {
			signal = fmt.Sprintf("%d dBm", *a.RSSI)
		}
		connectable := "connectable"
		if !a.Connectable {
			connectable = "not connectable"
		}
		add("heard it %s ago at %s, %s", shortTime(now.Sub(*a.Heard)), signal, connectable)
	}
	if a.OnAir.MAC != (AdapterExplanation{}).OnAir.MAC {
		add("as %v", a.OnAir)
	}
	if a.ScanErr != "" {
		add("does not scan: %s", a.ScanErr)
	}
	if a.State == AdapterUp.String() {
		if a.Slots.Slots == slots.Unknown {
			add("%s in use, limit unknown", countText(a.Slots.Used, "slot"))
		} else {
			add("%d of %v slots in use", a.Slots.Used, a.Slots.Slots)
		}
	}
	if a.Failures > 0 {
		add("failures %.1f", a.Failures)
	}
	if a.Dialing > 0 {
		add("%s under way", countText(a.Dialing, "dial"))
	}
	if a.Bond {
		add("has the bond")
	}
	if a.Linked {
		add("has the link")
	}
	return strings.Join(parts, "; ")
}

// describeKept describes a connection that is kept.
func (s *KeepStatus) describeKept(now time.Time) string {
	out := fmt.Sprintf("%s for %s; %s, %s, %s", s.State, shortTime(now.Sub(s.Since)),
		countText(s.Establishes, "establish"), countText(s.Failures, "failure"), countText(s.Drops, "drop"))
	if s.Err != nil {
		out += fmt.Sprintf("; %s ago: %v", shortTime(now.Sub(s.ErrTime)), s.Err)
	}
	return out
}

// describeTrait describes a trait.
func (t *Trait) describeTrait(now time.Time) string {
	rest := "is tried again"
	if left := t.Until().Sub(now); left > 0 {
		rest = "is left out for " + shortTime(left)
	}
	return fmt.Sprintf("%s %s: failed %s, last %s ago: %s", t.Step, rest, countText(t.Times, "time"), shortTime(now.Sub(t.Seen)), t.Why)
}

// describeTable describes the table.
func (t *TableExplanation) describeTable(now time.Time) string {
	var parts []string
	if t.Discovered != nil {
		parts = append(parts, fmt.Sprintf("cached, discovered %s ago", shortTime(now.Sub(*t.Discovered))))
	} else {
		parts = append(parts, "not cached")
	}
	if t.Changed != nil {
		parts = append(parts, fmt.Sprintf("changed %s ago", shortTime(now.Sub(*t.Changed))))
	}
	return strings.Join(parts, "; ")
}

// countText returns a number with its noun.
func countText(n int, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "sh"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// shortTime returns a duration with no more digits than a person reads.
func shortTime(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
