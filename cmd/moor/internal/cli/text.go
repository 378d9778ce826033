package cli

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable returns b as text, and whether a terminal can show all of it. Zero octets
// at the end do not count: they pad many names.
func printable(b []byte) (string, bool) {
	s := strings.TrimRight(string(b), "\x00")
	if s == "" || !utf8.ValidString(s) {
		return "", false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return "", false
		}
	}
	return s, true
}

// width returns the number of columns that s takes on a terminal.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth returns 0 for a mark that combines with the rune before it, 2 for
// East Asian wide characters and pictographs, and 1 for all others. The blocks are
// those of Unicode's EastAsianWidth that occur in names of devices.
func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115F, r >= 0x2E80 && r <= 0xA4CF, r >= 0xAC00 && r <= 0xD7A3,
		r >= 0xF900 && r <= 0xFAFF, r >= 0xFE30 && r <= 0xFE6F,
		r >= 0xFF01 && r <= 0xFF60, r >= 0xFFE0 && r <= 0xFFE6,
		r >= 0x1F300 && r <= 0x1FAFF, r >= 0x20000 && r <= 0x3FFFD:
		return 2
	}
	return 1
}

// fit cuts s to at most n columns; an ellipsis replaces the rest.
func fit(s string, n int) string {
	if width(s) <= n {
		return s
	}
	var b strings.Builder
	used := 0
	for _, r := range s {
		w := runeWidth(r)
		if used+w > n-1 {
			break
		}
		b.WriteRune(r)
		used += w
	}
	if n > 0 {
		b.WriteRune('…')
	}
	return b.String()
}

// pad fills s with spaces to n columns.
func pad(s string, n int) string {
	if missing := n - width(s); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}

// wrapText breaks text into lines of at most n columns.
func wrapText(text string, n int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && width(line)+1+width(word) > n {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// wrapIndented breaks each line of text like wrapText and keeps its indentation.
func wrapIndented(text string, n int) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		for _, part := range wrapText(line, max(n-len(indent), 20)) {
			lines = append(lines, indent+part)
		}
	}
	return lines
}
