package pictures

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// Sizes of a terminal, in pixels.
const (
	cellWidth  = 7.8
	lineHeight = 17
	border     = 14
)

// drawTerminal draws lines as a terminal shows them. Commands, headings and packets have
// colors.
func drawTerminal(lines []string) []byte {
	columns := 0
	for _, line := range lines {
		columns = max(columns, utf8.RuneCountInString(line))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="monospace" font-size="13">`+"\n",
		float64(columns)*cellWidth+2*border, len(lines)*lineHeight+2*border)
	b.WriteString(`<rect width="100%" height="100%" rx="6" fill="#1b1f24"/>` + "\n")
	for i, line := range lines {
		fmt.Fprintf(&b, `<text x="%d" y="%d" xml:space="preserve" fill="%s">%s</text>`+"\n",
			border, border+(i+1)*lineHeight-4, lineColor(line), html.EscapeString(line))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// lineColor returns the color of a line of the demo.
func lineColor(line string) string {
	switch text := strings.TrimSpace(line); {
	case strings.HasPrefix(line, "$ "):
		return "#ffffff"
	case line != "" && line[0] != ' ':
		return "#7ee787" // a heading
	case strings.HasPrefix(text, "->"):
		return "#79c0ff"
	case strings.Contains(text, "(0x3e)"):
		return "#ff9c8f"
	case strings.HasPrefix(text, "<-"):
		return "#a5d6ff"
	case strings.HasPrefix(text, "("), text == "...":
		return "#8b949e"
	}
	return "#e6edf3"
}
