// Package text makes strings from the air safe to show.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a string safe for terminals and logs. Control characters, invisible
// characters and invalid UTF-8 become a replacement character, so that the name of a
// device cannot move the cursor or begin a new line.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
