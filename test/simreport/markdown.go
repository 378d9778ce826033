package simreport

import (
	"fmt"
	"math"
	"strings"
)

// markdownReport returns the text of the report without its introduction.
func markdownReport(all []comparison) string {
	var b strings.Builder
	b.WriteString("| scenario |")
	for _, c := range allFigures() {
		fmt.Fprintf(&b, " %s, moor | upstream |", c.Name)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", 2*len(allFigures())) + "\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| %s |", r.Name)
		for _, c := range allFigures() {
			ours, theirs := c.text(r.Ours), c.text(r.Upstream)
			switch c.compareTo(r) {
			case 1:
				ours = "**" + ours + "**"
			case -1:
				theirs = "**" + theirs + "**"
			}
			fmt.Fprintf(&b, " %s | %s |", ours, theirs)
		}
		b.WriteString("\n")
	}
	b.WriteString("\nThe scenarios:\n\n")
	for _, r := range all {
		fmt.Fprintf(&b, "- %s: %s; %d worlds.\n", r.Name, r.Text, r.Worlds)
	}
	b.WriteString("\n" + verdict(all))
	return b.String()
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

// verdict lists the figures in which the policy is not better.
func verdict(all []comparison) string {
	var lost, even []string
	n := 0
	for _, r := range all {
		for _, c := range allFigures() {
			n++
			switch where := fmt.Sprintf("- %s, %s: %s against %s", r.Name, c.Name, c.text(r.Ours), c.text(r.Upstream)); c.compareTo(r) {
			case -1:
				lost = append(lost, where)
			case 0:
				even = append(even, where)
			}
		}
	}
	s := fmt.Sprintf("Of %d figures moor's is better in %d, the same in %d and worse in %d.\n", n, n-len(lost)-len(even), len(even), len(lost))
	if len(lost) > 0 {
		s += "\nWorse:\n\n" + strings.Join(lost, "\n") + "\n"
	}
	if len(even) > 0 {
		s += "\nThe same:\n\n" + strings.Join(even, "\n") + "\n"
	}
	return s
}
