package simreport

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Sizes of the plot, in pixels.
const (
	labelWidth = 150
	panelWidth = 200
	panelGap   = 30
	rowHeight  = 24
	headHeight = 76
	footHeight = 40
)

// Colors of the contenders, whose shapes differ as well.
const (
	oursColor  = "#1f5fa8"
	aloneColor = "#d9772b"
	habColor   = "#4c8c4a"
)

// panel is one column of the plot: an axis from low to high, with a place for
// "never" at its end.
type panel struct {
	figure
	title     string
	low, high float64
	ticks     []float64
}

func panels() []panel {
	cs := allFigures()
	return []panel{
		{cs[0], "ready (%)", 0, 100, []float64{0, 25, 50, 75, 100}},
		{cs[1], "median time to ready (s)", 0.1, 100, []float64{0.1, 1, 10, 100}},
		{cs[2], "99th percentile (s)", 0.1, 100, []float64{0.1, 1, 10, 100}},
		{cs[3], "radio time per device (s)", 0.01, 100, []float64{0.01, 0.1, 1, 10, 100}},
	}
}

// offsetOf returns the distance of a value from the panel's left edge, in pixels.
func (p *panel) offsetOf(v float64) float64 {
	const axis = panelWidth - 34 // the rest is for "never"
	if p.Percent {
		return 6 + v/p.high*panelWidth*0.9
	}
	if math.IsInf(v, 1) {
		return panelWidth - 6
	}
	v = min(max(v, p.low), p.high)
	return 6 + math.Log(v/p.low)/math.Log(p.high/p.low)*(axis-12)
}

// plotReport draws the report as SVG: a row for each scenario, a panel for each
// figure.
func plotReport(all []comparison) string {
	ps := panels()
	width := labelWidth + len(ps)*(panelWidth+panelGap)
	bottom := headHeight + len(all)*rowHeight
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n",
		width, bottom+footHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, bottom+footHeight)
	legend(&b)
	for i, r := range all {
		y := headHeight + i*rowHeight
		if i%2 == 0 {
			fmt.Fprintf(&b, `<rect x="0" y="%d" width="%d" height="%d" fill="#f4f4f4"/>`+"\n", y, width, rowHeight)
		}
		text(&b, labelWidth-14, y+rowHeight/2+4, "end", r.Name)
	}
	for i := range ps {
		ps[i].drawPanel(&b, labelWidth+i*(panelWidth+panelGap), bottom, all)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func legend(b *strings.Builder) {
	x := labelWidth + 8
	for _, w := range allWays() {
		name := map[way]string{
			ours: "moor, as it is by default", alone: "bleak-retry-connector over BlueZ, as modeled",
			withHab: "the same with habluetooth, as modeled",
		}[w]
		mark(b, w, float64(x), 17)
		text(b, x+12, 21, "start", name)
		x += 40 + 7*len(name)
	}
}

func (p *panel) drawPanel(b *strings.Builder, x, bottom int, all []comparison) {
	text(b, x, headHeight-28, "start", p.title)
	line := func(at float64, label, color string) {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/>`+"\n", at, headHeight, at, bottom, color)
		text(b, int(at), headHeight-8, "middle", label)
		text(b, int(at), bottom+16, "middle", label)
	}
	for _, v := range p.ticks {
		line(float64(x)+p.offsetOf(v), fmt.Sprintf("%g", v), "#cccccc")
	}
	if !p.Percent {
		line(float64(x)+p.offsetOf(math.Inf(1)), "never", "#999999")
	}
	for i, r := range all {
		y := float64(headHeight) + (float64(i)+0.5)*rowHeight
		at := [3]float64{}
		for w, f := range r.By {
			at[w] = float64(x) + p.offsetOf(p.Of(f))
		}
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#999999" stroke-width="2"/>`+"\n",
			slices.Min(at[:]), y, slices.Max(at[:]), y)
		for _, w := range slices.Backward(allWays()) { // moor's on top
			mark(b, w, at[w], y)
		}
	}
}

// mark draws the mark of a contender.
func mark(b *strings.Builder, w way, x, y float64) {
	switch w {
	case ours:
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="5" fill="%s"/>`+"\n", x, y, oursColor)
	case alone:
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="10" height="10" fill="%s"/>`+"\n", x-5, y-5, aloneColor)
	case withHab:
		fmt.Fprintf(b, `<path d="M%.1f %.1fl6 11h-12z" fill="%s"/>`+"\n", x, y-6, habColor)
	}
}

func text(b *strings.Builder, x, y int, anchor, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", x, y, anchor, html.EscapeString(s))
}
