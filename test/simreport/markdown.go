package simreport

import (
	"fmt"
	"math"
	"strings"
)

// lossesMark is the line of the introduction in place of which the report says where moor
// loses.
const lossesMark = "<!-- losses -->\n"

// markdownReport returns the text of the report.
func markdownReport(introduction string, all []comparison) string {
	var b strings.Builder
	b.WriteString(strings.Replace(introduction, lossesMark, describeLosses(all), 1))
	b.WriteString(markdownTable(all))
	b.WriteString("\nThe scenarios:\n\n")
	for _, r := range all {
		b.WriteString(r.describe() + "\n")
	}
	b.WriteString("\n" + describeWins(all))
	return b.String()
}

// describe returns the line of the report about a scenario.
func (s *scenario) describe() string {
	return fmt.Sprintf("- %s: %s; %d worlds.", s.Name, s.Text, s.Worlds)
}

func markdownTable(all []comparison) string {
	var b strings.Builder
	b.WriteString("| scenario |")
	for _, c := range allFigures() {
		for _, w := range allWays() {
			if w == ours {
				fmt.Fprintf(&b, " %s,", c.Name)
			}
			fmt.Fprintf(&b, " %s |", w.shortName())
		}
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(allWays())*len(allFigures())) + "\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| %s |", r.Name)
		for _, c := range allFigures() {
			best := c.bestText(r)
			for _, w := range allWays() {
				text := c.text(r.By[w])
				if text == best {
					text = "**" + text + "**"
				}
				fmt.Fprintf(&b, " %s |", text)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// bestText returns the best of the figures of a scenario; "" if all are the same.
func (c figure) bestText(r comparison) string {
	best := r.By[ours]
	same := true
	for _, o := range r.By[1:] {
		same = same && c.text(o) == c.text(r.By[ours])
		if c.Percent && c.Of(o) > c.Of(best) || !c.Percent && c.Of(o) < c.Of(best) {
			best = o
		}
	}
	if same {
		return ""
	}
	return c.text(best)
}

func (c figure) text(r figures) string {
	switch v := c.Of(r); {
	case math.IsInf(v, 0):
		return "never"
	case c.Percent:
		return fmt.Sprintf("%.1f %%", v)
	default:
		return fmt.Sprintf("%.2f s", v)
	}
}

// isExpected reports whether a figure is worse by design: bleak-retry-connector alone does
// not scan in the background, and moor does.
func (c figure) isExpected(w way) bool { return c.Name == "radio" && w == alone }

// describeLosses returns the first paragraph of the report: the figures of moor that are
// worse, and why.
func describeLosses(all []comparison) string {
	var lost, radio []string
	figures := 0
	for _, r := range all {
		var here []string
		for _, c := range allFigures() {
			for _, w := range allWays()[1:] {
				worse := c.compareTo(r, w) < 0
				switch {
				case c.isExpected(w):
					if worse {
						radio = append(radio, r.Name)
					}
					continue
				case worse:
					here = append(here, fmt.Sprintf("%s %s against %s of %s", c.Name, c.text(r.By[ours]), c.text(r.By[w]), w.name()))
				}
				figures++
			}
		}
		if len(here) > 0 {
			cause := r.Cause
			if cause == "" {
				cause = "The cause is not known."
			}
			lost = append(lost, fmt.Sprintf("- *%s*: %s. %s\n", r.Name, strings.Join(here, ", "), cause))
		}
	}
	s := fmt.Sprintf("moor loses in %d of %d scenarios", len(lost), len(all))
	if len(lost) == 0 {
		s += fmt.Sprintf(": none of its %d figures is worse.", figures)
	} else {
		s += ":\n\n" + strings.Join(lost, "") + "\nNo other figure is worse."
	}
	s += " A time to ready counts as worse if it is longer by more than 5 % and 50 ms; where the device rests, by more than 4 s, " +
		"one wait of the policy. Every other figure counts as worse if it reads worse."
	if len(radio) > 0 {
		s += fmt.Sprintf(" Radio time is compared with that of upstream with habluetooth. That of bleak-retry-connector alone, "+
			"which does not scan unless it connects, is below moor's in %d scenarios: %s.", len(radio), strings.Join(radio, ", "))
	}
	return s + "\n"
}

// describeWins counts the comparisons.
func describeWins(all []comparison) string {
	var b strings.Builder
	for _, w := range allWays()[1:] {
		var n [3]int
		for _, r := range all {
			for _, c := range allFigures() {
				n[c.compareTo(r, w)+1]++
			}
		}
		fmt.Fprintf(&b, "Of %d figures moor's is better than that of %s in %d, the same in %d and worse in %d.\n",
			n[0]+n[1]+n[2], w.name(), n[2], n[1], n[0])
	}
	return b.String()
}
