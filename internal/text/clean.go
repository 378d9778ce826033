// Package text makes what came over the air safe to show.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a string safe for terminals and logs: control characters,
// invisible ones and broken UTF-8 become a replacement character, so that a
// device's name cannot move the cursor, or look like a line of its own.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
