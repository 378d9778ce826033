// Package text makes text from the air safe to display.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a string safe for terminals and logs. It replaces control
// characters, invisible characters and invalid UTF-8 by U+FFFD, so that the name
// of a device cannot move the cursor or imitate another line.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
